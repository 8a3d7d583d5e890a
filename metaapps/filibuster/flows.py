"""What happens under orders at each kind of crossing: calls, arrivals, and branches' forks.

Who is believed, and who is asked at all, is `app`'s affair; messages are `messages`'.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from baggage.boundary import (
    PROCEED,
    UNKNOWN_SITE,
    Call,
    Flow,
    Inject,
    Kind,
    Outcome,
    Proceed,
    Raised,
)
from baggage.context import Branch
from metaapps.filibuster import latency, reporting
from metaapps.filibuster.foreign import asking
from metaapps.filibuster.foreign.asking import Served
from metaapps.filibuster.index import TEST, BranchFrame, stable_operation
from metaapps.filibuster.lineage import Lineage, Progress, Step
from metaapps.filibuster.mainline import Mainline
from metaapps.filibuster.observation import Observation, Role
from metaapps.filibuster.orders import LINEAGE, SEEN, Orders
from metaapps.filibuster.relayed import DIRECTLY
from metaapps.filibuster.wire import decode_lineage, encode_lineage, encode_observation

NAME: Final = "filibuster"
STANDING: Final = f"{NAME}.standing"
"""The note of a branch that has its `Standing`."""
_MAX_ARGUMENTS: Final = 300


def passing() -> Flow:
    """Let a crossing pass."""
    yield PROCEED
    return None


def progress_of(running: Branch) -> Progress | None:
    """Return how far a branch has come, None for one that no orders came to."""
    following = running.following
    if following is not None:
        return progress_of(following)
    progress: Progress | None = running.notes.get(NAME)
    if progress is None:
        lineage = lineage_of(running)
        if lineage is None:
            return None
        if not lineage.process:
            lineage = lineage.arrived(running.service)
        progress = running.notes.setdefault(NAME, Progress(lineage))
    return progress.working


def take(taker: Branch, message: Lineage) -> None:
    """Note that a branch takes a message of its own request: perhaps it works on that from now."""
    progress_of(taker)
    progress: Progress | None = taker.notes.get(NAME)
    if progress is not None:
        progress.took(message)


def lineage_of(running: Branch) -> Lineage | None:
    """Return the lineage that a branch was given."""
    values = running.unpack(LINEAGE)
    return decode_lineage(values[0]) if values and isinstance(values[0], bytes) else None


class Standing(NamedTuple):
    """What holds for all that a branch does: whose orders, and the foreign call that it serves.

    `report` tells the coordinator what can't go home, and `hurry` has told it when it returns;
    `app` is whose this is.
    """

    app: object
    orders: Orders | None
    served: Served | None
    report: Callable[[Orders, Sequence[bytes]], None]
    hurry: Callable[[Orders, Sequence[bytes]], None]


def tell(running: Branch, seen: Observation) -> None:
    """Let an observation go home with what a branch answers, at once if it has been answered.

    Who takes a message answers nobody, and may never be done with it.
    """
    blob = encode_observation(seen)
    at_once = running.over or (DELIVERED in running.notes and seen.role is not Role.END)
    standing: Standing | None = running.notes.get(STANDING) if at_once else None
    if standing is None or standing.orders is None:
        running.pack(SEEN, blob)
    else:
        # An end comes with what it is the end of: nobody waits for that any longer.
        held = running.unpack(SEEN) if seen.role is Role.END else ()
        before = [value for value in held if isinstance(value, bytes)]
        standing.report(standing.orders, [*before, blob])


def calling(
    call: Call,
    orders: Orders,
    progress: Progress,
    running: Branch,
    served: Served | None,
    *,
    by_test: bool,
) -> Flow:
    """Make a call, or let it fail if that is planned; `served` is for foreign callees."""
    step = progress.call(call, by_test=by_test, by_payload=orders.by_payload)
    ambiguous = True
    try:
        proceed = Proceed(
            down={LINEAGE: encode_lineage(step.below)},
            headers=DIRECTLY if served is None else {**DIRECTLY, **asking.told_below(step, served)},
        )
        planned = None if by_test else orders.at(step.index)
        reckoned = latency.reckoning(orders, planned, call, step.index, running)
        if reckoned is not None:
            outcome = yield reckoned.directive(proceed)
        elif planned is not None:
            outcome = yield Inject(planned.fault, otherwise=proceed)
        else:
            outcome = yield proceed
    finally:
        ambiguous = progress.called(step)
    # Where several services stand behind one address, only an answer tells which it was.
    target = planned.target if planned is not None else ""
    seen = _observed(call, step, outcome, by_test=by_test, target=target, ambiguous=ambiguous)
    if reckoned is not None:
        seen = reckoned.told(seen)
    tell(running, seen)
    if seen.injected is not None and not by_test:
        tell_before_it_shows(running, seen)
    return None


def tell_before_it_shows(running: Branch, seen: Observation) -> None:
    """Have the coordinator know of a hit before the application does: it may not survive it.

    What comes twice counts once.
    """
    standing: Standing | None = running.notes.get(STANDING)
    if standing is not None and standing.orders is not None:
        standing.hurry(standing.orders, [encode_observation(seen)])


def arriving(call: Call, orders: Orders, running: Branch) -> Flow:
    """Serve a call. One that comes straight from the functional test is observed here."""
    step = None if running.baggage.origin else reporting.arrive(orders, call)
    outcome = yield (
        PROCEED if step is None else Proceed(down={LINEAGE: encode_lineage(step.below)})
    )
    if step is not None:
        seen = _observed(call, step, outcome, by_test=True)
        tell(running, replace(seen, source=TEST, target=call.source, site=UNKNOWN_SITE))
    served(orders, running)
    return None


def served(orders: Orders | None, running: Branch) -> None:
    """Note that a call has been served, under orders if anything was done meanwhile."""
    if orders is not None:
        latency.answered(orders, running)
    if SERVED_AHEAD in running.notes:
        tell(running, ended(running.notes[SERVED_AHEAD]))


SERVED_AHEAD: Final = f"{NAME}.ahead"
DELIVERED: Final = f"{NAME}.delivered"
"""The note of a branch that works on a message from a broker."""


def ahead(call: Call, running: Branch) -> None:
    """Say that a call's answer leaves while it is still served: its end is to be waited for."""
    lineage = lineage_of(running)
    if call.kind is Kind.SERVER and lineage is not None and SERVED_AHEAD not in running.notes:
        running.notes[SERVED_AHEAD] = lineage.index
        serving = Observation(
            role=Role.SERVING,
            index=lineage.index,
            parent=lineage.index,
            position=0,
            source=call.source,
            library=call.library,
            operation=stable_operation(call.operation),
        )
        tell(running, serving)


def forking(
    call: Call,
    orders: Orders,
    progress: Progress,
    running: Branch,
    mainline: Mainline | None = None,
) -> Flow:
    """Start a branch, which is waited for until it ends; `mainline` is told of it."""
    step = progress.fork(call)
    if mainline is not None:
        mainline.started(call, step.index, progress)
    seen = branched(call, step, ambiguous=progress.forks_ambiguously(step))
    if call.brokered:  # A message of the functional test's, which nothing befalls.
        seen = replace(seen, method=call.method, by_test=True)
    tell(running, seen)
    outcome = yield Proceed(
        down={LINEAGE: encode_lineage(step.below), **latency.below(orders, running)}
    )
    if isinstance(outcome, Raised):
        if mainline is not None:
            mainline.ended(step.index)
        tell(running, ended(step.index))
    return None


def run(running: Branch, mainline: Mainline | None = None) -> Flow:
    """Let a forked branch run, and say when it ended: only then all of it has been heard of.

    One of the `mainline` makes its starter's progress.
    """
    lineage = lineage_of(running)
    if mainline is not None and lineage is not None:
        progress = mainline.runs(lineage.index)
        if progress is not None:
            running.notes[NAME] = progress
    yield PROCEED
    if lineage is not None:
        if mainline is not None:
            mainline.ended(lineage.index)
        tell(running, ended(lineage.index))
    return None


def branched(call: Call, step: Step, *, ambiguous: bool = False) -> Observation:
    """Return what is told of a branch that starts."""
    return Observation(
        role=Role.BRANCH,
        index=step.index,
        parent=step.parent,
        position=step.position,
        source=call.source,
        library=call.library,
        operation=call.operation,
        site=call.site,
        occurrence=step.occurrence,
        ambiguous=ambiguous,
    )


def ended(index: bytes) -> Observation:
    """Return what is told of a branch that ended."""
    return Observation(role=Role.END, index=index, parent=index, position=0)


def _observed(
    call: Call,
    step: Step,
    outcome: Outcome,
    *,
    by_test: bool,
    target: str = "",
    ambiguous: bool = False,
) -> Observation:
    """Return what is known of a call after it ended."""
    frame = step.frame
    return Observation(
        role=Role.CALL,
        index=step.index,
        parent=step.parent,
        position=step.position,
        source=call.source,
        target=target or outcome.target or str(call.endpoint or ""),
        by_test=by_test,
        library=call.library,
        method=call.method,
        operation=stable_operation(call.operation),
        arguments=_shown(call),
        site=call.site,
        occurrence=step.occurrence,
        payload=call.payload,
        timeout=call.timeout,
        clock=step.clock,
        origin=step.origin,
        injected=outcome.injected,
        by_payload=not isinstance(frame, BranchFrame) and frame.payload is not None,
        ambiguous=ambiguous,
        **_result(outcome),
    )


def _result(outcome: Outcome) -> dict[str, Any]:
    facts = outcome.facts
    told: dict[str, Any] = {"status": facts.status, "digest": facts.digest()}
    if isinstance(outcome, Raised):
        return {**told, "raised": outcome.name, "ok": False}
    return {**told, "ok": facts.ok}


def _shown(call: Call) -> str:
    """Return a call's arguments for people, not for machines."""
    text = ", ".join([f"{name}={value!r}" for name, value in call.arguments.items()])
    return text if len(text) <= _MAX_ARGUMENTS else text[: _MAX_ARGUMENTS - 1] + "…"
