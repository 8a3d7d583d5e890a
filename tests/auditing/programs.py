"""Random programs of nested calls in one process, each with at most one fault in it.

A call goes to another branch and comes back: by a split, by a hooked fork, or as bytes. What the
faults are is in `docs/semantics.md` and `docs/audit.md`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any, Final

from baggage.boundary import Boundary, Policy
from baggage.boundary.audit import Audit
from baggage.context import Branch, attached, ensure
from baggage.instrumentation._forking import ForkAdapter
from baggage.runtime.scoping import request_scope
from baggage.values import EMPTY, Baggage, fit, receive

FORK: Final = ForkAdapter("threads", "start", frozenset())
DEEPEST: Final = 4
Body = Callable[[], None]


class Failed(Exception):
    """What an application raises, and another part of it swallows."""


class Program:
    """One request's program, made of random steps; the fault strikes at one call of it."""

    def __init__(self, seed: int, fault: str = "none") -> None:
        self.random = Random(seed)
        self.fault = fault
        self.audit = Audit()
        self.boundary = Boundary(Policy("shop", strict=True, receipts=True), (self.audit,))
        self.written = 0
        self.calls = 0
        self.struck = False
        self.kept: list[Callable[[], None]] = []
        self.other = self.request = Branch()

    def run(self) -> None:
        """Serve two requests; the first one's program is the one with the fault in it."""
        with request_scope(self.boundary, "another", EMPTY) as self.other:
            self.other.pack("n", -1)
            with request_scope(self.boundary, "the request", EMPTY) as self.request:
                self.pack()
                self.body(0)
                while not self.struck:
                    self.call(1)
                self.pack()
            for late in self.kept:
                late()

    @property
    def problems(self) -> set[str]:
        return {finding.problem.value for finding in self.audit.findings}

    def body(self, depth: int) -> None:
        for _ in range(self.random.randint(1, 4)):
            step = self.random.choice(("pack", "pack", "remove", "call", "fan_out"))
            if step == "pack":
                self.pack()
            elif step == "remove":
                self.remove()
            elif depth < DEEPEST:
                (self.call if step == "call" else self.fan_out)(depth + 1)

    def pack(self) -> None:
        self.written += 1
        ensure().pack(self.random.choice("nmk"), self.written)

    def remove(self) -> None:
        key = self.random.choice("nmk")
        ensure().update(lambda carried: carried.remove(key))

    def fan_out(self, depth: int) -> None:
        running = ensure()
        parts = [running.split() for _ in range(self.random.randint(2, 5))]
        for part in parts:
            with attached(part):
                self.body(depth)
        for part in self.random.sample(parts, len(parts)):
            running.join(part)

    def call(self, depth: int) -> None:
        self.calls += 1
        body = lambda: self.body(depth)  # noqa: E731 - the callee
        if not self.struck and self.random.random() < 0.4:
            self.struck = True
            if self.fault != "none":
                FAULTS[self.fault](self, body)
                return
        self.random.choice((by_split, by_fork, by_bytes))(self, body)


def by_split(program: Program, body: Body) -> None:
    mine = ensure()
    theirs = mine.split()
    try:
        with attached(theirs):
            body()
    finally:
        mine.join(theirs)


def by_fork(program: Program, body: Body) -> None:
    fork = program.boundary.fork(FORK, None)
    assert fork is not None
    fork.start(lambda: None)
    try:
        fork.run(body)
    finally:
        fork.join()


def by_bytes(program: Program, body: Body) -> None:
    came = Baggage.deserialize(ensure().baggage.serialize())
    with request_scope(program.boundary, "a callee", came) as callee:
        body()
    ensure().join(Baggage.deserialize(callee.baggage.serialize()))


# Faults of the propagation


def same_object(program: Program, body: Body) -> None:
    """Both sides go on from one value, and both write."""
    mine = ensure()
    with attached(mine.baggage) as callee:
        program.pack()
        body()
    program.pack()
    mine.join(callee)


def cloned(program: Program, body: Body) -> None:
    """The callee gets bytes with ids that the caller keeps."""
    program.pack()
    mine = ensure()
    bearing = Baggage(mine.baggage.history)
    blob = fit(bearing, lending=True).blob
    with attached(receive(blob, lent=True)) as callee:
        program.pack()
        body()
    mine.join(callee)


def lost_at_the_boundary(program: Program, body: Body) -> None:
    """The callee starts with nothing."""
    mine = ensure()
    mine.split()
    with attached(EMPTY) as callee:
        body()
    mine.join(callee)


def lost_as_bytes(program: Program, body: Body) -> None:
    """The callee starts with nothing, and answers with bytes."""
    with attached(EMPTY) as callee:
        body()
    ensure().join(Baggage.deserialize(callee.baggage.serialize()))


def anothers(program: Program, body: Body) -> None:
    """The callee works in another request's baggage."""
    mine = ensure()
    mine.split()
    with attached(program.other.split()) as callee:
        body()
    mine.join(callee)


def stale(program: Program, body: Body) -> None:
    """The callee works in what the caller knew some time ago."""
    mine = ensure()
    snapshot = mine.baggage
    program.pack()
    mine.split()
    with attached(snapshot) as callee:
        body()
    mine.join(callee)


def reset(program: Program, body: Body) -> None:
    """What came home is undone: the caller goes on as if it had never called."""
    mine = ensure()
    before = mine.baggage

    def writing() -> None:
        program.pack()
        body()

    by_split(program, writing)
    mine.update(lambda _: before)


def never_joined(program: Program, body: Body) -> None:
    """Nobody joins the callee, who was split off."""
    with attached(ensure().split()):
        body()


def never_joined_fork(program: Program, body: Body) -> None:
    """Nobody joins the callee, who was forked, and wrote."""
    fork = program.boundary.fork(FORK, None)
    assert fork is not None
    fork.start(lambda: None)

    def writing() -> None:
        program.pack()
        body()

    fork.run(writing)


def late(program: Program, body: Body) -> None:
    """The callee goes on when the request is over."""
    mine = ensure()
    theirs = mine.split()
    with attached(theirs):
        body()
    mine.join(theirs)

    def go_on() -> None:
        with attached(theirs):
            program.pack()

    program.kept.append(go_on)


# Faults of the application


def wrong_key(program: Program, body: Body) -> None:
    ensure().pack("nn", 1)
    by_split(program, body)


def wrong_value(program: Program, body: Body) -> None:
    ensure().pack("n", "one")
    by_fork(program, body)


def forgotten(program: Program, body: Body) -> None:
    by_bytes(program, lambda: None)


def removed(program: Program, body: Body) -> None:
    def removing() -> None:
        ensure().update(lambda carried: carried.remove("n").remove("m").remove("k"))

    by_split(program, removing)


def swallowed(program: Program, body: Body) -> None:
    def failing() -> None:
        body()
        raise Failed

    call = program.random.choice((by_split, by_fork))
    with suppress(Failed):
        call(program, failing)


PROPAGATION: Final[dict[str, tuple[Any, set[str]]]] = {
    "same object": (same_object, {"value used twice"}),
    "cloned": (cloned, {"overlap"}),
    "lost at the boundary": (lost_at_the_boundary, {"context regression", "lost branch"}),
    "lost as bytes": (lost_as_bytes, {"context regression"}),
    "another's": (anothers, {"foreign context", "context regression", "lost branch"}),
    "stale": (stale, {"lost branch"}),
    "reset": (reset, {"context regression"}),
    "never joined": (never_joined, {"lost branch"}),
    "never joined fork": (never_joined_fork, {"lost branch"}),
    "late": (late, {"late use"}),
}
APPLICATION: Final = {
    "wrong key": wrong_key,
    "wrong value": wrong_value,
    "forgotten": forgotten,
    "removed": removed,
    "swallowed": swallowed,
}
FAULTS: Final[dict[str, Any]] = {
    **{name: fault for name, (fault, _) in PROPAGATION.items()},
    **APPLICATION,
}
