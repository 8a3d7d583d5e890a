"""Expressions in an analysis file: `@expr(metadata['timeout'])+0.001`.

What follows `@expr` is arithmetic: numbers, `metadata['name']`, `+ - * /`, signs and brackets. It
is parsed here, never handed to Python.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

PREFIX: Final = "@expr"
_LONGEST: Final = 200
_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d*)?|\.\d+)"
    r"|metadata\s*\[\s*(?P<quote>['\"])(?P<name>[\w.-]+)(?P=quote)\s*\]"
    r"|(?P<sign>[-+*/()]))"
)


class ExpressionError(ValueError):
    """This is no expression, or has no value for a call. The message says why, without a place."""


@dataclass(frozen=True, slots=True)
class _Number:
    value: float

    def evaluate(self, metadata: Mapping[str, float]) -> float:
        return self.value


@dataclass(frozen=True, slots=True)
class _Name:
    name: str

    def evaluate(self, metadata: Mapping[str, float]) -> float:
        if self.name not in metadata:
            raise ExpressionError(f"the call shows no {self.name!r}")
        return metadata[self.name]


@dataclass(frozen=True, slots=True)
class _Operation:
    sign: str
    left: _Node
    right: _Node

    def evaluate(self, metadata: Mapping[str, float]) -> float:
        left, right = self.left.evaluate(metadata), self.right.evaluate(metadata)
        if self.sign == "/" and right == 0:
            raise ExpressionError("division by zero")
        return _OPERATIONS[self.sign](left, right)


_Node = _Number | _Name | _Operation
_OPERATIONS: Final[Mapping[str, Callable[[float, float], float]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


@dataclass(frozen=True, slots=True)
class Expression:
    """A number that depends on a call. `text` is as in the file."""

    text: str
    _root: _Node

    def evaluate(self, metadata: Mapping[str, float]) -> float:
        """Return the number for a call that shows this metadata. Raises ExpressionError."""
        found = self._root.evaluate(metadata)
        if not math.isfinite(found):
            raise ExpressionError("the result is no number")
        return found


def parse(text: str) -> Expression:
    """Parse the text of an expression, `@expr` included. Raises ExpressionError."""
    if len(text) > _LONGEST:
        raise ExpressionError(f"an expression has at most {_LONGEST} characters")
    if not text.startswith(f"{PREFIX}("):
        raise ExpressionError("an expression looks like @expr(metadata['timeout'])+0.001")
    parser = _Parser(_tokens(text.removeprefix(PREFIX)))
    root = parser.sum()
    if parser.next:
        raise ExpressionError(f"{parser.next!r} is one too many")
    return Expression(text, root)


def _tokens(text: str) -> list[str]:
    found: list[str] = []
    position = 0
    text = text.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            rest = text[position:].strip()
            raise ExpressionError(f"{rest[:20]!r} is no number, metadata['…'], sign or bracket")
        name = match["name"]
        found.append(f"[{name}" if name else match["number"] or match["sign"])
        position = match.end()
    return found


class _Parser:
    """Recursive descent; `next` is the token to read, "" at the end."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = [*reversed(tokens)]

    @property
    def next(self) -> str:
        return self._tokens[-1].lstrip("[") if self._tokens else ""

    def _take(self, *wanted: str) -> str:
        return self._tokens.pop() if self._tokens and self._tokens[-1] in wanted else ""

    def sum(self) -> _Node:
        found = self._product()
        while sign := self._take("+", "-"):
            found = _Operation(sign, found, self._product())
        return found

    def _product(self) -> _Node:
        found = self._factor()
        while sign := self._take("*", "/"):
            found = _Operation(sign, found, self._factor())
        return found

    def _factor(self) -> _Node:
        if self._take("-"):
            return _Operation("-", _Number(0.0), self._factor())
        if self._take("+"):
            return self._factor()
        if self._take("("):
            found = self.sum()
            if not self._take(")"):
                raise ExpressionError("a bracket is not closed")
            return found
        if not self._tokens or self._tokens[-1] in {*_OPERATIONS, ")"}:
            raise ExpressionError("a number is missing")
        token = self._tokens.pop()
        return _Name(token[1:]) if token.startswith("[") else _Number(float(token))
