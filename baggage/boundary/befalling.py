"""Faults of crossings that happen: an answer that gets lost or changed, a wait, a second message.

Such a fault stands in the onion as a flow of its own, right within that of who injects it: flows
inside see what the library did, who injects and whoever stands outside see the fault. Belongs here:
which faults those are, their flows, and what of an answer an edit leaves. Does not: what a fault
looks like in a library, which its adapter knows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from baggage.boundary.adapter import Adapter, CannotEnact
from baggage.boundary.call import Call
from baggage.boundary.metaapp import PROCEED, Flow, Proceed
from baggage.boundary.outcome import NO_FACTS, Fault, FaultKind, Outcome, Returned


def happens(fault: Fault) -> bool:
    """Say whether a crossing happens under a fault, which befalls what comes of it."""
    kind = fault.kind
    return (
        fault.late
        or fault.edit is not None
        or kind is FaultKind.DELAY
        or kind is FaultKind.DUPLICATE
    )


def slowed(fault: Fault, call: Call) -> tuple[Proceed, Fault | None]:
    """Return how long a call waits that takes longer, and what befalls its answer then.

    A caller who waits no longer than that waits as long as he does, and the answer is too late.
    """
    seconds, limit = fault.seconds or 0.0, call.timeout
    if limit is None or limit > seconds:
        return Proceed(delay=seconds), None
    return Proceed(delay=max(limit, 0.0)), Fault(FaultKind.TIMEOUT, late=True)


def befalling(fault: Fault, when: Callable[[Outcome], bool] | None = None) -> Flow:
    """Return the flow of a fault that befalls an answer, unless it has befallen it already.

    What raises by itself is left alone, and an answer of which `when` says no.
    """
    outcome = yield PROCEED
    if not _is_answer(outcome) or outcome.injected is fault:
        return None
    return fault if when is None or when(outcome) else None


def marking(fault: Fault, enacted: Callable[[Outcome], bool] = lambda _: True) -> Flow:
    """Return the flow that says of an outcome that this fault was enacted, if it was."""
    outcome = yield PROCEED
    if not enacted(outcome):
        return None
    marked: Outcome = replace(outcome, injected=fault)
    return marked


def edited(fault: Fault, adapter: Adapter, answer: Any | None) -> Fault:
    """Return a fault with the body that its edit makes of an answer; raise CannotEnact if none."""
    if fault.edit is None:
        return fault
    edit = getattr(adapter, "edited", None)
    if edit is None or answer is None:
        raise CannotEnact(f"{adapter.library} has no answer whose body can be edited")
    from baggage.boundary.edit import read_edit  # here: it needs `json`, and few ever edit

    try:
        return replace(fault, body=edit(answer, read_edit(fault.edit)), edit=None)
    except ValueError as error:
        raise CannotEnact(str(error)) from error


def _is_answer(outcome: Outcome) -> bool:
    """Say whether somebody answered: an exception may tell of an answer, too."""
    return isinstance(outcome, Returned) or outcome.facts is not NO_FACTS
