"""Applications from seeds: random programs, and shapes that are known to mislead reductions.

The shapes are woven into random surroundings: an error degraded to a success, an answer turned into
an error, three faults each of which masks the next, retries, loops below, branches, long chains.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from baggage.boundary import Fault, FaultKind
from metaapps.filibuster.catalogue import Catalogue, Entry
from tests.filibuster.apps.post import PLAIN, STRICT
from tests.filibuster.apps.program import (
    Application,
    Ask,
    Fan,
    Loop,
    OnlyIf,
    Program,
    Reject,
    Step,
    Test,
    Try,
)

_ANY: Final = re.compile(r"(post|requests)\.")
_ENTRIES: Final = (
    Entry(_ANY, Fault(FaultKind.REFUSED)),
    Entry(_ANY, Fault(FaultKind.TIMEOUT), "timeout"),
    Entry(_ANY, Fault(FaultKind.STATUS, status=503)),
    Entry(_ANY, Fault(FaultKind.STATUS, status=500)),
    Entry(_ANY, Fault(FaultKind.STATUS, status=404)),
)
_BEFALLING: Final = (
    Entry(_ANY, Fault(FaultKind.TIMEOUT, late=True), "timeout"),
    Entry(_ANY, Fault(FaultKind.RESET, late=True)),
    Entry(_ANY, Fault(FaultKind.STATUS, status=502, late=True)),
    Entry(_ANY, Fault(FaultKind.DELAY, seconds=2.0)),
    Entry(_ANY, Fault(FaultKind.DELAY, seconds=0.6)),
    Entry(_ANY, Fault(FaultKind.BODY, edit="truncate 2")),
    Entry(_ANY, Fault(FaultKind.BODY, body=b"other")),
)
"""Under these a call is made, and something befalls what comes of it."""
_POLICIES: Final = ("propagate", "translate", "degrade", "omit", "crash", "by kind", "elsewhere")
_READING: Final = ("by body", "relay")


@dataclass(frozen=True)
class _Style:
    """What an application's programs have in common."""

    random: Random
    policies: Sequence[str]
    places: bool
    awaiting: int

    def ask(self, below: Sequence[str], target: str = "") -> Ask:
        choice = self.random.choice
        return Ask(
            target or choice(below),
            choice(["fixed", "fixed", "request", "last", "failures"]),
            choice([1.0, None]),
            choice([PLAIN, PLAIN, PLAIN, STRICT]),
            f"place{self.random.randrange(3)}" if self.places else "",
        )


def generated(seed: int, *, befalling: bool = False) -> Application:
    """Return the application of a seed: 2 to 6 services, up to 5 calls deep.

    `befalling`: among its faults are some that befall answers, too.
    """
    random = Random(seed)
    reads = random.random() < 0.25
    names = [f"s{number}" for number in range(random.randint(2, 6))]
    policies = (*_POLICIES, *(_READING * 2 if reads else ()))
    awaiting = random.choice([0, 0, len(names), random.randrange(len(names))])
    style = _Style(random, policies, random.random() < 0.5, awaiting)
    deep = random.randint(2, 5)
    layer = {name: number * deep // len(names) for number, name in enumerate(names)}
    programs = {}
    for number, name in enumerate(names):
        below = [other for other in names if layer[other] > layer[name]]
        programs[name] = _program(style, name, below, awaits=number < awaiting)
    top = [name for name in names if layer[name] == 0]
    test = _test(style, top, reads=reads)
    return Application(programs, test, _catalogue(random, befalling=befalling), reads)


def _catalogue(random: Random, *, befalling: bool) -> Catalogue:
    count = random.choice([1, 2, 2, 2, 3])
    chosen = set(random.sample(_ENTRIES, 1 if befalling else count))
    if befalling:
        chosen.update(random.sample(_BEFALLING, random.choice([1, 1, 2])))
    every = (*_ENTRIES, *_BEFALLING)
    return Catalogue(tuple(entry for entry in every if entry in chosen))


def _program(style: _Style, name: str, below: Sequence[str], *, awaits: bool) -> Program:
    random = style.random
    steps: list[Step] = []
    if below:
        shape = random.choice(_SHAPES)
        steps = [*shape(style, below)]
        while len(steps) < 3 and random.random() < 0.4:
            steps.insert(random.randint(0, len(steps)), _step(style, below))
    return Program(
        name,
        tuple(steps),
        random.choice(["all", "all", "count", "echo", "constant"]),
        random.choice([0, 0, 1, 2, 2, 3]),
        random.choice([200, 500, 500, 418]),
        awaits,
    )


def _plain(style: _Style, below: Sequence[str]) -> list[Step]:
    return [_step(style, below) for _ in range(style.random.choice([1, 1, 2]))]


def _degraded(style: _Style, below: Sequence[str]) -> list[Step]:
    """Two errors become a success, and a third call depends on them."""
    steps: list[Step] = [Try(style.ask(below), "degrade") for _ in range(2)]
    return [*steps, OnlyIf("degraded", _try(style, below))]


def _both(style: _Style, below: Sequence[str]) -> list[Step]:
    """Any one of them may be degraded, here or below, but not all of them."""
    steps: list[Step] = [Try(style.ask(below), "degrade") for _ in range(2)]
    return [*steps, Reject("all degraded", style.random.choice([500, 500, 418]))]


def _mirror(style: _Style, below: Sequence[str]) -> list[Step]:
    """A success that shows an error below becomes an error here."""
    when = style.random.choice(["degraded", "degraded", "failed", "short"])
    return [_step(style, below), Reject(when, style.random.choice([500, 502, 503]))]


def _masked(style: _Style, below: Sequence[str]) -> list[Step]:
    """Only where a call, its fallback and the fallback's fallback fail does it show."""
    fallbacks = (style.ask(below), style.ask(below))
    return [Try(style.ask(below), "elsewhere", 0, fallbacks)]


def _looped(style: _Style, below: Sequence[str]) -> list[Step]:
    return [Loop(_try(style, below), style.random.choice([2, 2, 3]))]


def _fanned(style: _Style, below: Sequence[str]) -> list[Step]:
    branches = tuple(_step(style, below) for _ in range(style.random.choice([2, 2, 3])))
    meanwhile = (_try(style, below),) if style.random.random() < 0.4 else ()
    return [Fan(branches, meanwhile)]


_SHAPES: Final = (_plain, _plain, _degraded, _both, _mirror, _masked, _looped, _fanned)


def _step(style: _Style, below: Sequence[str]) -> Step:
    kind = style.random.choice(["try", "try", "try", "try", "only if", "loop", "fan"])
    if kind == "only if":
        condition = style.random.choice(["failed", "well", "degraded"])
        return OnlyIf(condition, _try(style, below))
    if kind == "loop":
        return Loop(_try(style, below), style.random.choice([0, 2]))
    if kind == "fan":
        return Fan((_try(style, below), _try(style, below)))
    return _try(style, below)


def _try(style: _Style, below: Sequence[str]) -> Try:
    policy = style.random.choice(style.policies)
    retries = style.random.choice([0, 0, 0, 0, 1])
    fallbacks = (style.ask(below),) if policy == "elsewhere" else ()
    return Try(style.ask(below), policy, retries, fallbacks)


def _test(style: _Style, top: Sequence[str], *, reads: bool) -> Test:
    random = style.random
    asks = tuple(
        Ask(random.choice(top), str(random.randint(0, 1)), library=random.choice([PLAIN, STRICT]))
        for _ in range(random.choice([1, 1, 1, 2]))
    )
    checks = ["never 500", "never 418", "excused", "excused", "exact"]
    return Test(
        asks,
        random.choice([*checks, "never trapped"] if reads else checks),
        random.choice(["", "", "s0", "s1"]),
        together=random.random() < 0.2,
        awaits=style.awaiting > 0,
    )
