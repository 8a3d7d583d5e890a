"""One passage over a boundary, step by step, and the drivers that take the steps.

The steps are the same whichever way the passage goes: ask the flows, let it happen or not, tell the
flows. What differs stands in the subclasses: `Departure`, `Arrival`, `Fork`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from baggage.boundary import befalling
from baggage.boundary.adapter import Adapter, CannotEnact
from baggage.boundary.call import Call
from baggage.boundary.metaapp import PROCEED, Answer, Directive, Inject, MetaApp, Proceed
from baggage.boundary.onion import Onion
from baggage.boundary.outcome import (
    NO_FACTS,
    Facts,
    Fault,
    FaultKind,
    Outcome,
    Raised,
    Receipt,
    Returned,
)
from baggage.context import branch

if TYPE_CHECKING:
    from baggage.boundary.driver import Boundary
    from baggage.boundary.policy import Policy

_log = logging.getLogger("baggage.boundary")
T = TypeVar("T")
# A flow may put another value in place of the library's; its type is the flow's to keep.
Delivered = Any


class Crossing:
    """One passage: `begin`, then let it happen or not, then `end`; always `close`.

    `call` is None where no meta-application is interested. `policy` is the one that holds here,
    None for the boundary's; where there is a call, it's known from `begin` on. `asked` are those to
    be asked, () for whoever is interested by then. `late` are the faults that are to befall the
    answer, outermost first: `end` has them do so, unless the outcome's `injected` says that one
    has already. Used by one branch of execution; the steps may be taken in different threads, one
    after the other.
    """

    # What many crossings never have is in the classes, as with branches.
    _onion: Onion | None = None
    delay = 0.0
    late: tuple[Fault, ...] = ()
    policy: Policy | None = None
    asked: Sequence[MetaApp] = ()

    def __init__(
        self, boundary: Boundary, adapter: Adapter, request: Any, call: Call | None
    ) -> None:
        """Prepare; nothing happens yet."""
        self._boundary, self._adapter, self._request = boundary, adapter, request
        self.call = call

    def begin(self) -> Outcome | None:
        """Ask the flows. Return the outcome if the passage is not to happen, else None.

        `delay` is then to be waited for before it happens, in seconds.
        """
        boundary, call, directive = self._boundary, self.call, PROCEED
        if call is not None:
            policy = self.policy
            if policy is None:
                self.policy = policy = boundary.policy
            apps = self.asked or boundary.interested(call.kind, call.library)
            self._onion = onion = Onion(apps, policy.strict)
            running = branch()
            if running is not None:
                running.crossed = True
            asked = onion.ask(call)
            if not isinstance(asked, Proceed):
                decided = self._decided(onion, call, asked)
                if not isinstance(decided, Proceed):
                    return decided
                asked = decided
            directive = asked
            self.delay = asked.delay
        try:
            self.proceed(directive)
        except Exception as error:  # noqa: BLE001 - kept from the application
            boundary.failed(error)
        return None

    def _decided(self, onion: Onion, call: Call, asked: Directive) -> Proceed | Outcome:
        """Return the outcome that flows want instead, unless the library knows no such fault."""
        while isinstance(asked, Inject):
            fault = asked.fault
            if befalling.happens(fault):
                self._arrange(onion, call, asked)
            else:
                enacted = self.enact(fault)
                if enacted is not None:
                    return enacted
            asked = onion.ask(call)
        return asked.outcome if isinstance(asked, Answer) else asked

    def _arrange(self, onion: Onion, call: Call, asked: Inject) -> None:
        fault = asked.fault
        try:
            if fault.kind is FaultKind.DELAY:
                self.slow(onion, call, fault)
            elif fault.kind is FaultKind.DUPLICATE:
                self.repeat(onion, fault)
            else:
                self._befall(onion, fault, asked.when)
        except CannotEnact as error:
            self.not_enacted(fault, error)

    def slow(self, onion: Onion, call: Call, fault: Fault) -> None:
        """Arrange for the passage to take longer; raise CannotEnact if it can't."""
        waits, lost = befalling.slowed(fault, call)
        onion.within([befalling.marking(fault)], waits)
        if lost is not None:
            self._befall(onion, lost)

    def _befall(
        self, onion: Onion, fault: Fault, when: Callable[[Outcome], bool] | None = None
    ) -> None:
        onion.within([befalling.befalling(fault, when)])
        if when is None:
            self.late = (*self.late, fault)

    def repeat(self, onion: Onion, fault: Fault) -> None:
        """Arrange for the passage to happen twice; raise CannotEnact if it can't."""
        raise CannotEnact("messages alone are handed over twice")

    def proceed(self, directive: Proceed) -> None:
        """Apply what the flows asked for, just before the passage happens."""

    def happen(self, step: Callable[[], T]) -> T:
        """Let the passage happen, by `step`."""
        return step()

    async def ahappen(self, step: Callable[[], Awaitable[T]]) -> T:
        """Let the passage happen, by awaiting `step()`."""
        return await step()

    def brought(self, response: Any) -> str:
        """Take what a response brings; return the name of the service that answered."""
        return self.target

    def answered(self, response: Any) -> Outcome:
        """Return the outcome of a response, after taking what it brings."""
        return Returned(response, self._facts(response), self.target)

    def raised(self, error: BaseException) -> Outcome:
        """Return the outcome of an exception."""
        return Raised(error, self.target)

    def enact(self, fault: Fault, befallen: Outcome | None = None) -> Outcome | None:
        """Return what the library does under a fault, None (logged) if the adapter can't say.

        `befallen` is the outcome that it happens to, None for a callee that is not contacted. Who
        answered, and what the answer said of baggage, is told all the same.
        """
        answered = befallen.value if isinstance(befallen, Returned) else None
        target, receipt = self.target, Receipt.UNKNOWN
        if befallen is not None:
            target, receipt = befallen.target or target, befallen.receipt
        try:
            enacted = befalling.edited(fault, self._adapter, answered)
            response = self._adapter.enact(enacted, self._request, answered)
        except CannotEnact as error:
            self.not_enacted(fault, error)
            return None
        except BaseException as error:
            if not isinstance(error, Exception) and not _is_cancellation(error):
                raise
            return Raised(error, target, fault, self._facts_of(error), receipt)
        return Returned(response, self._facts(response), target, fault, receipt)

    def end(self, outcome: Outcome) -> Outcome:
        """Send the outcome to the flows; return what the application shall see."""
        return outcome if self._onion is None else self._onion.end(outcome, self.enact)

    def close(self) -> None:
        """End the flows that have not ended."""
        onion = self._onion
        if onion is not None and onion.flows:
            onion.close()

    @property
    def target(self) -> str:
        """The name of the service on the other side, "" where it isn't known."""
        return self.call.target if self.call is not None else ""

    def not_enacted(self, fault: Fault, error: CannotEnact) -> None:
        """Log why nothing comes of a fault."""
        extra = {"fault": str(fault), "library": self._adapter.library, "reason": str(error)}
        _log.warning("fault not enacted", extra=extra)

    def _facts_of(self, error: BaseException) -> Facts:
        with self._boundary.isolated():
            response = self._adapter.answer(error)
            return NO_FACTS if response is None else self._adapter.facts(response)
        return NO_FACTS

    def _facts(self, response: Any) -> Facts:
        if self.call is None:  # and so nobody who could ask
            return NO_FACTS
        try:
            return self._adapter.facts(response)
        except Exception as error:  # noqa: BLE001 - kept from the application
            self._boundary.failed(error)
            return NO_FACTS


def drive(crossing: Crossing, happen: Callable[[], T]) -> T | Delivered:
    """Take all steps around `happen`, in this thread; its own exceptions pass untouched."""
    if crossing.call is None:
        return _unasked(crossing, happen)
    try:
        outcome = crossing.begin()
        if outcome is None:
            try:
                if crossing.delay:
                    time.sleep(crossing.delay)
                response = crossing.happen(happen)
            except BaseException as error:
                outcome = crossing.end(crossing.raised(error))
                if isinstance(outcome, Raised) and outcome.error is error:
                    raise
            else:
                outcome = crossing.end(crossing.answered(response))
        else:
            outcome = crossing.end(outcome)
        return deliver(outcome)
    finally:
        crossing.close()


def _unasked(crossing: Crossing, happen: Callable[[], T]) -> T:
    """Take the steps where no flow is asked: none decides, and none changes what happens."""
    try:
        crossing.begin()
        try:
            response = crossing.happen(happen)
        except BaseException as error:
            crossing.raised(error)
            raise
        crossing.brought(response)
        return response
    finally:
        crossing.close()


async def adrive(
    crossing: Crossing,
    happen: Callable[[], Awaitable[T]],
    wait: Callable[[float], Awaitable[object]] | None = None,
) -> T | Delivered:
    """Take all steps around `happen`, in this task; its own exceptions pass untouched.

    `wait` waits for the seconds that flows ask for, None to sleep.
    """
    try:
        outcome = crossing.begin()
        if outcome is None:
            try:
                if crossing.delay:
                    await (wait or _sleep)(crossing.delay)
                response = await crossing.ahappen(happen)
            except BaseException as error:
                outcome = crossing.end(crossing.raised(error))
                if isinstance(outcome, Raised) and outcome.error is error:
                    raise
            else:
                outcome = crossing.end(crossing.answered(response))
        else:
            outcome = crossing.end(outcome)
        return deliver(outcome)
    finally:
        crossing.close()


def deliver(outcome: Outcome) -> Delivered:
    """Return or raise what the application shall see."""
    if not isinstance(outcome, Raised):
        return outcome.value
    error = outcome.error
    context = error.__context__
    try:
        raise error
    finally:
        # To raise it here may have put what the application handles in place of the library's.
        error.__context__ = context


async def _sleep(seconds: float) -> None:
    import asyncio  # here: it takes longer to import than all of `baggage`

    await asyncio.sleep(seconds)


def _is_cancellation(error: BaseException) -> bool:
    import asyncio  # here: it takes longer to import than all of `baggage`

    return isinstance(error, asyncio.CancelledError)
