"""Applications that are known to mislead reductions, each the smallest of its kind.

All have two faults, and a functional test of one call, which fails by an answer of 500 in most.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from baggage.boundary import Fault, FaultKind
from metaapps.filibuster.catalogue import Catalogue, Entry
from tests.filibuster.apps.post import STRICT
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

_ANY: Final = re.compile(r"post\.")
TWO_FAULTS: Final = Catalogue(
    (Entry(_ANY, Fault(FaultKind.REFUSED)), Entry(_ANY, Fault(FaultKind.STATUS, status=503)))
)


def application(
    *programs: Program, check: str = "never 500", reads_errors: bool = False
) -> Application:
    """Return an application; the test calls the first of its programs."""
    services = {program.name: program for program in programs}
    test = Test((Ask(programs[0].name),), check)
    return Application(services, test, TWO_FAULTS, reads_errors)


def asks(target: str, policy: str = "propagate", *fallbacks: str, retries: int = 0) -> Try:
    return Try(Ask(target), policy, retries, tuple(Ask(other) for other in fallbacks))


def _top(*steps: Step, trap: int = 0) -> Program:
    return Program("top", steps, "constant", trap, 500)


_LEAVES: Final = tuple(Program(name, (), "constant") for name in ("a", "b", "c"))

SHAPES: Final[Mapping[str, Application]] = {
    "an error degraded to a success": application(
        _top(asks("shop"), OnlyIf("degraded", asks("b", "crash"))),
        Program("shop", (asks("a", "degrade"),)),
        *_LEAVES,
    ),
    "two degraded answers": application(
        _top(asks("shop"), asks("b", "degrade"), Reject("all degraded", 500)),
        Program("shop", (asks("a", "degrade"),)),
        *_LEAVES,
    ),
    "an answer turned into an error": application(
        _top(asks("shop", "crash")),
        Program("shop", (asks("mid"), Reject("degraded", 502))),
        Program("mid", (asks("a", "degrade"),)),
        *_LEAVES,
    ),
    "three faults, each masking the next": application(
        _top(asks("a", "elsewhere", "b", "c"), trap=3), *_LEAVES
    ),
    "three faults in three services": application(
        _top(asks("left", "degrade"), asks("right", "degrade"), asks("mid", "degrade"), trap=3),
        *(Program(name, (asks("a"),), "constant") for name in ("left", "right", "mid")),
        Program("a", (), "constant"),
    ),
    "a retry that fails too": application(_top(asks("a", "crash", retries=1)), *_LEAVES),
    "a loop in an inner service": application(
        _top(asks("shop", "crash")),
        Program("shop", (Loop(asks("a", "omit"), 3), OnlyIf("failed", asks("b", "translate")))),
        *_LEAVES,
    ),
    "branches that fail together": application(
        _top(Fan((asks("a", "degrade"), asks("b", "degrade")), (asks("c", "degrade"),)), trap=2),
        *_LEAVES,
    ),
    "an exception that says why": application(
        _top(Try(Ask("shop", library=STRICT), "relay")),
        Program("shop", (Try(Ask("a", library=STRICT)),)),
        *_LEAVES,
        check="says why",
        reads_errors=True,
    ),
    "a long chain": application(
        _top(asks("s1", "crash")),
        *(Program(f"s{n}", (asks(f"s{n + 1}", "translate"),)) for n in range(1, 5)),
        Program("s5", (asks("a", "degrade"), Reject("degraded", 503))),
        *_LEAVES,
    ),
}
