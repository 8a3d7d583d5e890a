"""Applications simulated in this process: services are functions, a plan is applied to their calls.

The simulator makes the observations that real services would send; `random_app` writes applications
for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import TypeVar

from baggage.boundary import CallSite, Fault, FaultKind
from metaapps.filibuster.index import ROOT, BranchFrame, CallFrame, ask, call_frame, child
from metaapps.filibuster.observation import Execution, Failure, Observation, Role
from metaapps.filibuster.plan import Plan


@dataclass(frozen=True)
class Reply:
    """What a service answers."""

    status: int = 200
    body: bytes = b""

    @property
    def ok(self) -> bool:
        return self.status < 400


class Broken(Exception):
    """A call raised instead of answering; `args[0]` is the exception's full name."""


REFUSED = "requests.exceptions.ConnectionError"
LATE = "requests.exceptions.ReadTimeout"
_RAISED = {FaultKind.REFUSED: REFUSED, FaultKind.TIMEOUT: LATE}

T = TypeVar("T")
Service = Callable[["Scope", str, bytes], Reply]
Test = Callable[["Scope"], None]


def digest(content: bytes) -> bytes:
    return blake2b(content, digest_size=8).digest()


@dataclass
class Scope:
    """One branch of one invocation: what a service's code uses to call, branch and ask."""

    world: _World
    source: str
    index: bytes
    by_test: bool = False
    position: int = 0
    branches: int = 0
    occurrences: Counter[CallFrame] = field(default_factory=Counter)

    def call(
        self,
        target: str,
        operation: str,
        payload: bytes = b"",
        timeout: float | None = 1.0,
        function: str = "serve",
        streamed: bool = False,
    ) -> Reply:
        """Call a service. `streamed`: neither side's content can be digested."""
        site = CallSite("app", function)
        plain = call_frame(self.source, site, operation, 0, by_test=self.by_test)
        self.occurrences[plain] += 1
        occurrence = self.occurrences[plain]
        seen = Observation(
            role=Role.CALL,
            index=child(self.index, replace(plain, occurrence=occurrence)),
            parent=self.index,
            position=self._place(),
            source=self.source,
            target=target,
            by_test=self.by_test,
            library="requests",
            method="get",
            operation=operation,
            site=site,
            occurrence=occurrence,
            payload=None if streamed else digest(payload),
            timeout=timeout,
        )
        fault = self.world.plan.fault_for(seen.index)
        try:
            reply = self.world.answer(seen, payload) if fault is None else _enact(fault)
        except Broken as error:
            self.world.note(replace(seen, injected=fault, raised=str(error), ok=False))
            raise
        content = None if streamed else digest(reply.body)
        seen = replace(seen, injected=fault, status=reply.status, ok=reply.ok, digest=content)
        self.world.note(seen)
        return reply

    def branch(self, body: Callable[[Scope], T]) -> T:
        """Run code in a branch of its own, to its end."""
        self.branches += 1
        index = child(self.index, BranchFrame(self.branches))
        self.world.note(
            Observation(
                role=Role.BRANCH,
                index=index,
                parent=self.index,
                position=self._place(),
                source=self.source,
                by_test=self.by_test,
                occurrence=self.branches,
            )
        )
        return body(Scope(self.world, self.source, index, self.by_test))

    def ask(self, target: str = "") -> bool:
        """Say whether a fault was injected so far."""
        hit = any(o.injected and target in ("", o.target) for o in self.world.observations)
        place = self._place()
        self.world.note(
            Observation(
                role=Role.ASK,
                index=ask(self.index, place),
                parent=self.index,
                position=place,
                source=self.source,
                target=target,
                ok=hit,
            )
        )
        return hit

    def _place(self) -> int:
        self.position += 1
        return self.position - 1


@dataclass
class _World:
    """One execution."""

    services: Mapping[str, Service]
    plan: Plan
    observations: list[Observation] = field(default_factory=list)

    def answer(self, seen: Observation, payload: bytes) -> Reply:
        scope = Scope(self, seen.target, seen.index)
        try:
            return self.services[seen.target](scope, seen.operation, payload)
        except Broken:
            return Reply(500)

    def note(self, seen: Observation) -> None:
        self.observations.append(seen)


def _enact(fault: Fault) -> Reply:
    if fault.kind is FaultKind.STATUS:
        assert fault.status is not None
        return Reply(fault.status)
    if fault.kind is FaultKind.BODY:
        return Reply(200, fault.body or b"")
    raise Broken(fault.name or _RAISED[fault.kind])


@dataclass
class Application:
    """Services and a functional test; `run` is what an explorer runs plans with."""

    services: Mapping[str, Service]
    test: Test
    runs: int = 0

    def run(self, plan: Plan) -> Execution:
        self.runs += 1
        world = _World(self.services, plan)
        try:
            self.test(Scope(world, "test", ROOT, by_test=True))
            failure = None
        except (AssertionError, Broken) as error:
            # One line: pytest adds others to the assertions of its own modules.
            line = str(error).partition("\n")[0]
            failure = Failure(f"{type(error).__name__}: {line}")
        return Execution(plan, tuple(world.observations), failure)
