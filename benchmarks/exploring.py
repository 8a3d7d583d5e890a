"""What an explorer spends on choosing and reducing, and what it keeps: no services, no network.

An application is simulated: its executions are made from a plan as services would report them. What
that takes is not counted.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import islice

from baggage.boundary import CallSite, Fault, FaultKind
from metaapps.filibuster.catalogue import DEFAULT
from metaapps.filibuster.explore import Event, Limits, Pruned, Ran, explore
from metaapps.filibuster.index import ROOT, child
from metaapps.filibuster.observation import Execution, Failure, Observation, Role
from metaapps.filibuster.plan import Plan
from metaapps.filibuster.reduce import Strength, reducer

TELLING = "all answers tell which call failed"
HIDING = "services hide what failed below them"


@dataclass(frozen=True, slots=True)
class Simulated:
    """A service that calls others one after the other, each of which may call more.

    `groups` are so many services, which the first one calls, each with so many calls of its own. If
    they are `hiding`, they answer the same whatever failed; else an answer tells what happened.
    """

    groups: int
    calls: int
    hiding: bool = False

    def run(self, plan: Plan) -> Execution:
        """Return the execution of a plan; it fails where three calls of the first service do."""
        seen: list[Observation] = []
        top = _call(plan, "test", "top", ROOT, 0, by_test=True)
        told = [self._served(plan, top, group, seen) for group in range(self.groups)]
        bad = sum(not each.ok for each in told) >= 3
        said = b"" if self.hiding else repr([(o.raised, o.status, o.digest) for o in told]).encode()
        seen.append(_answered(top, said) if not bad else replace(top, status=500, ok=False))
        return Execution(plan, tuple(seen), Failure("500") if bad else None)

    def _served(
        self, plan: Plan, top: Observation, group: int, seen: list[Observation]
    ) -> Observation:
        call = _call(plan, "top", f"g{group}", top.index, group)
        if call.injected is None:
            leaves = [_leaf(plan, f"g{group}", at, call.index) for at in range(self.calls)]
            seen += leaves
            hidden = b"" if self.hiding else repr([(o.raised, o.status) for o in leaves]).encode()
            call = _answered(call, hidden)
        seen.append(call)
        return call


_KNOWN: dict[tuple[str, str, bytes, int], Observation] = {}


def _leaf(plan: Plan, source: str, at: int, parent: bytes) -> Observation:
    call = _call(plan, source, f"leaf{at}", parent, at)
    return call if call.injected is not None else _answered(call, b"leaf")


def _call(
    plan: Plan, source: str, target: str, parent: bytes, at: int, *, by_test: bool = False
) -> Observation:
    """Return a call, failed if that is planned."""
    key = (source, target, parent, at)
    call = _KNOWN.get(key)
    if call is None:
        call = Observation(
            role=Role.CALL,
            index=b"",
            parent=parent,
            position=at,
            source=source,
            target=target,
            by_test=by_test,
            library="requests",
            method="get",
            operation=f"GET /{target}",
            site=CallSite("app", source),
            occurrence=1,
            payload=b"payload",
            timeout=1.0,
        )
        call = _KNOWN[key] = replace(call, index=child(parent, call.frame))
    fault = plan.fault_for(call.index)
    return call if fault is None else _failed(call, fault)


def _failed(call: Observation, fault: Fault) -> Observation:
    if fault.kind is FaultKind.STATUS:
        return replace(_answered(call, b""), injected=fault, status=fault.status, ok=False)
    name = f"requests.exceptions.{fault.kind.value.title()}"
    return replace(call, injected=fault, raised=name, ok=False)


def _answered(call: Observation, content: bytes) -> Observation:
    return replace(call, status=200, digest=blake2b(content, digest_size=8).digest())


APPLICATIONS = {TELLING: Simulated(7, 0), HIDING: Simulated(4, 3, hiding=True)}


def searched(strength: Strength, run: Callable[[Plan], Execution]) -> Iterator[Event]:
    """Explore under the default catalogue, whose faults are five at each call."""
    return explore(run, DEFAULT, reducer(strength), Limits())


@dataclass(frozen=True, slots=True)
class Spent:
    """What was judged, how many of these plans ran, and the CPU seconds beside running them."""

    judged: int
    ran: int
    seconds: float


def spent(name: str, strength: Strength, sizes: Iterable[int]) -> Iterator[Spent]:
    """Explore until so many plans are judged, for each size in turn; all in one search."""
    application, running, ran = APPLICATIONS[name], 0.0, 0

    def run(plan: Plan) -> Execution:
        nonlocal running
        started = time.process_time()
        execution = application.run(plan)
        running += time.process_time() - started
        return execution

    events, judged = searched(strength, run), 0
    started = time.process_time()
    for size in sizes:
        for event in islice(events, size - judged):
            ran += isinstance(event, Ran)
            judged += isinstance(event, Ran | Pruned)
        yield Spent(judged, ran, time.process_time() - started - running)


def held(executions: int) -> None:
    """Explore so many executions, in a process that does nothing else; print its MiB, and before.

    Nothing is kept of the events: that is the store's business.
    """
    before = _peak()
    application = Simulated(8, 0)
    events = searched(Strength.DYNAMIC, application.run)
    started = time.process_time()
    for _ in islice(events, executions):
        pass
    spent_here = time.process_time() - started
    sys.stdout.write(f"{before:.0f} {_peak():.0f} {spent_here:.0f}\n")


def _peak() -> float:
    kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kib / 1024 if sys.platform != "darwin" else kib / 1024**2
