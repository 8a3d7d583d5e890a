"""The flows of one crossing: started outermost first, finished innermost first.

Meta-applications are isolated from the application and from one another here: what one of them
raises is logged, and its flow left out; in strict mode it is raised.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from baggage.boundary.call import Call
from baggage.boundary.metaapp import (
    PROCEED,
    Answer,
    Directive,
    Flow,
    Inject,
    MetaApp,
    Proceed,
)
from baggage.boundary.outcome import Fault, Outcome, Raised, Returned

_log = logging.getLogger("baggage.boundary")

Enact = Callable[[Fault], "Outcome | None"]


class MetaAppError(RuntimeError):
    """A meta-application broke the protocol of flows."""


class Onion:
    """The flows of one crossing. Used by the one branch that crosses."""

    __slots__ = ("_flows", "_strict")

    def __init__(self, *, strict: bool) -> None:
        """Start without flows."""
        self._flows: list[tuple[MetaApp, Flow]] = []
        self._strict = strict

    def begin(self, apps: Sequence[MetaApp], call: Call) -> Directive:
        """Start a flow of each, until one decides that the callee is not contacted."""
        merged = PROCEED
        for app in apps:
            directive = self._start(app, call)
            if isinstance(directive, Answer):
                return directive
            if isinstance(directive, Inject):
                return Inject(directive.fault, _merge(merged, directive.otherwise))
            if directive is not None:
                merged = _merge(merged, directive)
        return merged

    def end(self, outcome: Outcome, enact: Enact) -> Outcome:
        """Send the outcome to each flow, which may replace it for those outside of it."""
        while self._flows:
            app, flow = self._flows.pop()
            replaced = self._finish(app, flow, outcome)
            if isinstance(replaced, Fault):
                replaced = enact(replaced)
            if replaced is not None:
                outcome = replaced
        return outcome

    def close(self) -> None:
        """End flows that will see no outcome."""
        while self._flows:
            app, flow = self._flows.pop()
            try:
                flow.close()
            except Exception as error:  # noqa: BLE001 - isolates what others wrote
                self._failed(app, error)

    def _start(self, app: MetaApp, call: Call) -> Directive | None:
        try:
            flow = app.around(call)
            directive = next(flow)
            if not isinstance(directive, Proceed | Inject | Answer):
                flow.close()
                raise MetaAppError(f"yielded {directive!r}, not a directive")
        except Exception as error:  # noqa: BLE001 - isolates what others wrote
            self._failed(app, error)
            return None
        self._flows.append((app, flow))
        return directive

    def _finish(self, app: MetaApp, flow: Flow, outcome: Outcome) -> Outcome | Fault | None:
        try:
            flow.send(outcome)
            flow.close()
            raise MetaAppError("yielded a second directive")
        except StopIteration as end:
            result: Outcome | Fault | None = end.value
            if result is None or isinstance(result, Returned | Raised | Fault):
                return result
            self._failed(app, MetaAppError(f"returned {result!r}, not an outcome"))
        except Exception as error:  # noqa: BLE001 - isolates what others wrote
            self._failed(app, error)
        return None

    def _failed(self, app: MetaApp, error: Exception) -> None:
        if self._strict:
            raise error
        _log.error("meta-application failed", exc_info=error, extra={"metaapp": app.name})


def _merge(outer: Proceed, inner: Proceed) -> Proceed:
    """Return what both ask for; the inner one, who is asked later, has the last word."""
    if outer is PROCEED:
        return inner
    return Proceed(
        {**outer.down, **inner.down}, {**outer.headers, **inner.headers}, outer.delay + inner.delay
    )
