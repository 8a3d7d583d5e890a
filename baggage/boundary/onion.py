"""The flows of one crossing: started outermost first, finished innermost first.

Meta-applications are isolated from the application and from one another here: what one of them
raises is logged, and its flow left out; in strict mode it is raised.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

from baggage.boundary.call import Call
from baggage.boundary.directive import MetaAppError, check, is_outcome
from baggage.boundary.metaapp import (
    PROCEED,
    AheadSink,
    Directive,
    Flow,
    Inject,
    MetaApp,
    Proceed,
)
from baggage.boundary.outcome import Fault, Outcome

_log = logging.getLogger("baggage.boundary")

Enact = Callable[[Fault, Outcome], "Outcome | None"]


class Onion:
    """The flows of one crossing that have not ended. Used by the one branch that crosses."""

    __slots__ = ("_merged", "_strict", "_waiting", "flows")

    def __init__(self, apps: Iterable[MetaApp], strict: bool) -> None:
        """Start without flows; `apps` are to be asked."""
        self.flows: list[tuple[MetaApp, Flow]] = []
        self._strict = strict
        self._merged = PROCEED
        self._waiting = iter(apps)

    def ask(self, call: Call) -> Directive:
        """Start a flow of each, until one decides that the callee is not contacted.

        Asked again, after a fault that could not be enacted, those that are left.
        """
        for app in self._waiting:
            flow: Flow | None = None
            try:
                flow = app.around(call)
                directive = next(flow)
                if directive is not PROCEED:
                    check(directive)
            except BaseException as error:  # noqa: BLE001 - isolates what others wrote
                self._not_started(app, flow, error)
                continue
            self.flows.append((app, flow))
            if isinstance(directive, Proceed):
                merged = self._merged
                self._merged = directive if merged is PROCEED else _merge(merged, directive)
            else:
                if isinstance(directive, Inject):
                    self._merged = _merge(self._merged, directive.otherwise)
                return directive
        return self._merged

    def within(self, flows: Iterable[Flow], asks: Proceed = PROCEED) -> None:
        """Put flows within that of whoever was asked last, and merge what they ask for."""
        app, _ = self.flows[-1]
        for flow in flows:
            next(flow)
            self.flows.append((app, flow))
        self._merged = _merge(self._merged, asks)

    def end(self, outcome: Outcome, enact: Enact) -> Outcome:
        """Send the outcome to each flow, which may replace it for those outside of it."""
        flows = self.flows
        while flows:
            app, flow = flows.pop()
            returned = None
            try:
                flow.send(outcome)
                self._failed(app, _twice(flow))
            except StopIteration as end:
                returned = end.value
            except Exception as error:  # noqa: BLE001 - isolates what others wrote
                self._failed(app, error)
            if returned is not None:  # Not in the block above: an exception would tell of it.
                outcome = self._replaced(app, returned, outcome, enact)
        return outcome

    def ahead(self, call: Call) -> None:
        """Tell those whose flows have not ended that the answer leaves before that."""
        for app, _ in self.flows:
            if isinstance(app, AheadSink):
                try:
                    app.ahead(call)
                except Exception as error:  # noqa: BLE001 - isolates what others wrote
                    self._failed(app, error)

    def close(self) -> None:
        """End flows that will see no outcome: all of them, even where one fails in strict mode."""
        try:
            while self.flows:
                app, flow = self.flows.pop()
                try:
                    flow.close()
                except Exception as error:  # noqa: BLE001 - isolates what others wrote
                    self._failed(app, error)
        finally:
            if self.flows:
                self.close()

    def _not_started(self, app: MetaApp, flow: Flow | None, error: BaseException) -> None:
        """End a flow that broke the protocol before it said anything; log or raise the error."""
        try:
            if flow is not None:
                flow.close()
        except Exception as another:  # noqa: BLE001 - isolates what others wrote
            error = another
        if not isinstance(error, Exception):
            raise error
        self._failed(app, error)

    def _replaced(self, app: MetaApp, result: Any, outcome: Outcome, enact: Enact) -> Outcome:
        """Return the outcome for those outside of a flow that returned something."""
        if isinstance(result, Fault):
            result = enact(result, outcome)
            return outcome if result is None else result
        if is_outcome(result):
            replaced: Outcome = result
            return replaced
        self._failed(app, MetaAppError(f"returned {result!r}, not an outcome"))
        return outcome

    def _failed(self, app: MetaApp, error: Exception) -> None:
        if self._strict:
            raise error
        _log.error("meta-application failed", exc_info=error, extra={"metaapp": app.name})


def _twice(flow: Flow) -> Exception:
    """Return what is wrong with a flow that goes on after its outcome, and end it."""
    try:
        flow.close()
    except Exception as error:  # noqa: BLE001 - isolates what others wrote
        return error
    return MetaAppError("yielded a second directive")


def _merge(outer: Proceed, inner: Proceed) -> Proceed:
    """Return what both ask for; the inner one, who is asked later, has the last word."""
    if inner is PROCEED:
        return outer
    return Proceed(
        {**outer.down, **inner.down}, {**outer.headers, **inner.headers}, outer.delay + inner.delay
    )
