"""What an expression of a service may stand for, as far as its answers depend on it.

Plain values, each identified by where it is made; so that there are finitely many of them, and the
analysis ends. What they do when they are called or looked into is in `attributes` and `calls`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeVar


class Site(NamedTuple):
    """A place in a service's source; `column` tells apart what stands in one line."""

    file: str
    line: int
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Unknown:
    """Whatever is not known before the service runs."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal. `True` and `1` are different here."""

    value: int | str | bool | None

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Constant)
            and type(self.value) is type(other.value)
            and self.value == other.value
        )

    def __hash__(self) -> int:
        return hash((type(self.value), self.value))


@dataclass(frozen=True, slots=True)
class Library:
    """Something of a library, by its dotted path; `()` stands for a call, as in "flask.Flask()"."""

    path: str

    @property
    def root(self) -> str:
        """The library."""
        return self.path.partition(".")[0].removesuffix("()")

    @property
    def name(self) -> str:
        """The last part of the path, without a call."""
        return self.path.rpartition(".")[2].removesuffix("()")


@dataclass(frozen=True, slots=True)
class Module:
    """One of the service's own modules, by its file."""

    file: str


@dataclass(frozen=True, slots=True)
class Function:
    """One of the service's own functions or lambdas."""

    site: Site


@dataclass(frozen=True, slots=True)
class Class:
    """One of the service's own classes."""

    site: Site


@dataclass(frozen=True, slots=True)
class Object:
    """All that is made of a class at one place."""

    kind: Class | Library
    site: Site


@dataclass(frozen=True, slots=True)
class Group:
    """A tuple of `size` elements; or a list, set or dictionary (`size` -1) made at one place."""

    site: Site
    size: int = -1


@dataclass(frozen=True, slots=True)
class Super:
    """What `super()` gives to a method that is defined in `below`."""

    receiver: Object
    below: Class


@dataclass(frozen=True, slots=True)
class Method:
    """A function that has its first argument already."""

    function: Function | Library
    receiver: Object | Class | Group


Value = Unknown | Constant | Library | Module | Function | Class | Object | Group | Super | Method
Values = frozenset[Value]
Scope = Module | Function | Class

UNKNOWN: Final = Unknown()
NOTHING: Final[Values] = frozenset()
ANYTHING: Final[Values] = frozenset({UNKNOWN})


Some = TypeVar("Some", bound=Value)


def ordered(values: Iterable[Some]) -> list[Some]:
    """Return values in an order that is the same in every run."""
    found = list(values)
    return found if len(found) < 2 else sorted(found, key=str)


@dataclass(frozen=True, slots=True)
class Escape:
    """Something that is raised, and where."""

    value: Value
    site: Site


@dataclass(frozen=True, slots=True)
class Effect:
    """An answer that is given without being returned or raised, as by gRPC's `set_code`."""

    value: Value
    site: Site


@dataclass(frozen=True, slots=True)
class Arguments:
    """The evaluated arguments of a call; `open` if there are more, by `*` or `**`."""

    positional: tuple[Values, ...] = ()
    keywords: tuple[tuple[str, Values], ...] = ()
    open: bool = False

    def get(self, position: int, *names: str) -> Values | None:
        """Return the argument at a position (-1: none) or under one of the names."""
        for name, values in self.keywords:
            if name in names:
                return values
        if 0 <= position < len(self.positional):
            return self.positional[position]
        return ANYTHING if self.open else None

    def need(self, position: int, *names: str) -> Values:
        """Return an argument without which nothing is known."""
        found = self.get(position, *names)
        return ANYTHING if found is None else found

    def every(self) -> Values:
        """Return all arguments together."""
        named = (values for _, values in self.keywords)
        return NOTHING.union(*self.positional, *named)
