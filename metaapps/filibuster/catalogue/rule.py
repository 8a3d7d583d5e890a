"""One fault by hand, in one line: `bar→baz GET /items/*: status 503 first 2`.

The line says where (`calls`), what (`wording`), and when: `late`, once the callee did run; `first
N`, at the first attempts alone; `after X→Y`, only once such a call succeeded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from baggage.boundary import Fault, FaultKind
from metaapps.filibuster.catalogue.calls import Calls, RuleError, parse_calls
from metaapps.filibuster.catalogue.wording import (
    MODIFIERS,
    Words,
    make_late,
    nearest,
    parse_fault,
    worded,
)

EXAMPLE: Final = "bar→baz: status 503"
MOST_ATTEMPTS: Final = 100
_LONGEST: Final = 2000


@dataclass(frozen=True, slots=True)
class Rule:
    """A fault, the calls that it shall befall, and when.

    `attempts` are how many attempts at a call fail, from the first one on; None for all of them.
    `after` are calls of which one must have succeeded before.
    """

    calls: Calls
    fault: Fault
    attempts: int | None = None
    after: Calls | None = None

    def __str__(self) -> str:
        told = [f"{self.calls}: {worded(self.fault)}"]
        if self.fault.late and self.fault.kind is not FaultKind.BODY:
            told.append("late")
        if self.attempts is not None:
            told.append(f"first {self.attempts}")
        if self.after is not None:
            told.append(f"after {self.after}")
        return " ".join(told)


def parse_rule(text: str) -> Rule:
    """Parse a rule. Raises RuleError with one line that says what is allowed."""
    shown = text if len(text) <= 80 else f"{text[:77]}..."
    shown = " ".join(shown.split()) or "nothing"
    try:
        if len(text) > _LONGEST:
            raise RuleError(f"a fault is said in at most {_LONGEST} characters")
        return _parsed(text)
    except RuleError as error:
        raise RuleError(f"{shown!r}: {error}") from error


def _parsed(text: str) -> Rule:
    where, colon, what = _halves(text)
    if not colon:
        raise RuleError(f"say where and, after a colon, what, as in {EXAMPLE!r}")
    calls = parse_calls(where)
    words = Words(what)
    rule = Rule(calls, parse_fault(words))
    said: set[str] = set()
    while words.next:
        rule, name = _modified(rule, words)
        if name in said:
            raise RuleError(f"{name!r} is said twice: say it once")
        said.add(name)
    return _checked(rule)


def _halves(text: str) -> tuple[str, str, str]:
    """Part a rule at its colon: the first one that a space or the end follows, else the last."""
    found = re.search(r":(?=\s|$)", text)
    return (
        text.rpartition(":") if found is None else (text[: found.start()], ":", text[found.end() :])
    )


def _modified(rule: Rule, words: Words) -> tuple[Rule, str]:
    """Take one modifier; return the rule with it, and what to call it."""
    word = words.take()
    if word not in MODIFIERS:
        near = nearest(word, MODIFIERS)
        meant = f" did you mean {near!r}?" if near else ""
        raise RuleError(
            f"{word[:40]!r} is too much:{meant} After a fault there may be 'late', 'first 2' (only "
            f"so many attempts) or 'after foo→bar' (once that succeeded)"
        )
    if word == "late":
        return _late(rule), word
    if word == "first":
        return replace(rule, attempts=_attempts(words)), word
    if words.next == "arrival":
        words.take()
        return _late(rule), "late"
    try:
        return replace(rule, after=parse_calls(words.until_modifier())), word
    except RuleError as error:
        raise RuleError(f"after which call? {error}") from error


def _late(rule: Rule) -> Rule:
    return replace(rule, fault=replace(rule.fault, late=make_late(rule.fault)))


def _attempts(words: Words) -> int:
    word = words.take()
    if not word.isdecimal() or len(word) > 3 or not 0 < int(word) <= MOST_ATTEMPTS:
        advice = f"from 1 to {MOST_ATTEMPTS}, as in 'first 2'"
        raise RuleError(f"{word!r} is no number of attempts: say how many fail, {advice}")
    if words.next in ("attempt", "attempts"):
        words.take()
    return int(word)


def _checked(rule: Rule) -> Rule:
    if rule.attempts is not None and rule.fault.kind in (FaultKind.DROP, FaultKind.DUPLICATE):
        raise RuleError(
            f"'first' counts attempts at a call, and {rule.fault.kind.value} is for messages"
        )
    return rule
