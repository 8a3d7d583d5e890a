"""Which calls are meant, in words for people: `bar→baz GET /items/*`, by their two ends.

Belongs here: naming calls and messages, and what went before one of them. What shall befall them is
in `wording` and `rule`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from metaapps.filibuster.deliveries import is_message
from metaapps.filibuster.index import TEST
from metaapps.filibuster.observation import Observation, Role
from metaapps.filibuster.tree import Tree

ARROW: Final = "→"
_SHAPE: Final = re.compile(
    r"(?P<source>\S+?)\s*(?:→|->)\s*(?P<target>\S+)(?:\s+(?P<operation>.+))?"
)
_MOST_STARS: Final = 16


class RuleError(ValueError):
    """A fault's text can't be understood. The message is one line: why, and what to write."""


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls from `source` to `target`, of any `operation` where that is "".

    In each, "*" stands for any text. An operation may go without its method ("/items/*"). A message
    is a call of its library ("queue"), by its channel's name as operation; also of that channel by
    itself, and of the service that took it, if one alone did.
    """

    source: str = "*"
    target: str = "*"
    operation: str = ""

    def __str__(self) -> str:
        ends = f"{self.source}{ARROW}{self.target}"
        return f"{ends} {self.operation}" if self.operation else ends

    def match(self, seen: Observation) -> bool:
        """Say whether an observed call or message is one of these."""
        operation = seen.operation
        return (
            matches(self.source, seen.source or TEST)
            and any(matches(self.target, name) for name in callees(seen))
            and (
                not self.operation
                or matches(self.operation, operation)
                or matches(self.operation, operation.partition(" ")[2])
            )
        )


def callees(seen: Observation) -> tuple[str, ...]:
    """Return all names for whoever is called."""
    if not is_message(seen):
        return (seen.target,)
    return (seen.library, seen.operation, *([seen.target] if seen.target else []))


def parse_calls(text: str) -> Calls:
    """Parse the text of calls. Raises RuleError, whose message doesn't repeat the text."""
    found = _SHAPE.fullmatch(text.strip())
    if found is None:
        raise RuleError(_shapeless(text))
    source, target, operation = found["source"], found["target"], found["operation"] or ""
    if "→" in target or "->" in target:
        raise RuleError("one arrow names one call, so write the last one alone, as in 'bar→baz'")
    if (source + target + operation).count("*") > _MOST_STARS:
        raise RuleError(f"calls are named by at most {_MOST_STARS} stars")
    return Calls(source, target, " ".join(operation.split()))


def _shapeless(text: str) -> str:
    names = re.findall(r"[^\s>→-][^\s>→]*", text)
    named = [*names, "bar", "baz"]
    meant = f"*→{names[0]}" if len(names) == 1 else f"{named[0]}→{named[1]}"
    return f"name the call by an arrow from caller to callee (→ or ->): {meant!r}"


def matches(pattern: str, text: str) -> bool:
    """Say whether a text is what a pattern says, where "*" stands for any text; in linear time."""
    first, *middle = pattern.split("*")
    if not middle:
        return text == pattern
    last = middle.pop()
    if not text.startswith(first) or len(text) < len(first) + len(last) or not text.endswith(last):
        return False
    at, end = len(first), len(text) - len(last)
    for part in middle:
        at = text.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True


def begins_after(call: Observation, wanted: Calls, tree: Tree) -> bool:
    """Say whether a call began after one of the `wanted` ones had ended well, for certain.

    Certain is what program order says. Of what runs in another branch nobody knows here whether it
    was waited for.
    """
    known = {seen.index: seen for seen in tree.preorder}
    return any(
        seen.ok
        and seen.raised is None
        and wanted.match(seen)
        and _ended_before(seen, call, known, tree)
        for seen in tree.calls
    )


def _ended_before(
    earlier: Observation, later: Observation, known: Mapping[bytes, Observation], tree: Tree
) -> bool:
    first, second = tree.paths[earlier.index], tree.paths[later.index]
    pairs = enumerate(zip(first, second, strict=False))
    apart = next((at for at, (one, other) in pairs if one != other), None)
    if apart is None or first[apart] > second[apart]:
        return False
    # Nothing between the call and where the two part may be a branch that nobody waited for.
    enclosing = known.get(earlier.parent)
    for _ in range(len(first) - 1 - apart):
        if enclosing is None or enclosing.role is Role.BRANCH:
            return False
        enclosing = known.get(enclosing.parent)
    return True
