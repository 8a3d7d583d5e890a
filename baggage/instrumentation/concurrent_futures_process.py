"""concurrent.futures.process: a call in a pool of processes is a branch, as one in threads is.

The call travels as a `Job`, which pickles if the call does: it carries baggage along, and returns a
`Delivery`, which is taken apart before anybody sees the future's result. A worker that is not
instrumented runs jobs with their baggage all the same. Forked workers know nothing of the moment
when they were forked.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures.process import ProcessPoolExecutor, _ExceptionWithTraceback
from dataclasses import dataclass
from multiprocessing.reduction import ForkingPickler
from typing import Any, Final

from baggage.boundary import Boundary, Dispatch, Errand, Report, Visit
from baggage.context import suppressed
from baggage.instrumentation._forking import ForkAdapter
from baggage.instrumentation._futures import follow
from baggage.instrumentation._patching import Switch, wrap

_DISPATCH: Final = "_baggage_dispatch"
_REPORT: Final = "_baggage_report"


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a job returns: the result of its call, or what it raised as `failure`; and its report.

    `failure` pickles to the exception, with the traceback from over there as its cause.
    """

    result: Any
    report: Report
    failure: Any = None


@dataclass(frozen=True, slots=True)
class Job:
    """A call that is to be made in a branch of its own, in another process."""

    work: Callable[..., Any]
    errand: Errand

    def __call__(self, *args: Any, **kwargs: Any) -> Delivery:
        """Make the call. Never raises: the report must come home with an exception, too."""
        visit = Visit(self.errand, self.boundary(), _ADAPTER)
        try:
            result = visit.run(lambda: self.work(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - handed to the future
            return _sendable(Delivery(None, visit.report(), _traced(error)))
        return _sendable(Delivery(result, visit.report()))

    def boundary(self) -> Boundary | None:
        """Return the boundary of the process that this runs in, if that is instrumented."""
        return None


def instrument(boundary: Boundary, switch: Switch) -> None:
    """Wrap process pools and futures, and the jobs that this process may get, once."""

    def submit(
        wrapped: Callable[..., Future[Any]],
        _: ProcessPoolExecutor,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Future[Any]:
        dispatch = boundary.dispatch(_ADAPTER, None) if args else None
        if dispatch is None:
            return wrapped(*args, **kwargs)
        work, *rest = args

        def launch() -> Future[Any]:
            # A worker that this submit starts is the pool's, not a branch of the submitter.
            with suppressed():
                return wrapped(Job(work, dispatch.errand()), *rest, **kwargs)

        future = dispatch.start(launch)
        vars(future)[_DISPATCH] = dispatch
        # The result may have come before the future was known here.
        if _REPORT in vars(future) or future.done():
            _settle(future, _failure(future))
        return future

    wrap(ProcessPoolExecutor, "submit", switch, submit)
    follow(_DISPATCH, switch)
    wrap(Job, "boundary", switch, lambda *_: boundary)
    # What was dispatched comes back, switched off or not.
    wrap(Future, "set_result", Switch(), _set_result)
    wrap(Future, "set_exception", Switch(), _set_exception)
    wrap(Future, "cancel", Switch(), _cancel)


def _set_result(
    wrapped: Callable[..., None], future: Future[Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    delivery = args[0] if args else None
    if type(delivery) is not Delivery:
        return wrapped(*args, **kwargs)
    vars(future)[_REPORT] = delivery.report
    try:
        _settle(future, delivery.failure)
    except Exception as error:  # noqa: BLE001 - in strict mode; the pool's own thread must live
        return future.set_exception(error)
    if delivery.failure is not None:
        return future.set_exception(delivery.failure)
    return wrapped(delivery.result)


def _set_exception(
    wrapped: Callable[..., None], future: Future[Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    try:
        _settle(future, args[0] if args else None)
    except Exception as error:  # noqa: BLE001 - as above
        return wrapped(error)
    return wrapped(*args, **kwargs)


def _cancel(
    wrapped: Callable[..., bool], future: Future[Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> bool:
    cancelled = wrapped(*args, **kwargs)
    if cancelled:
        _settle(future)
    return cancelled


def _settle(future: Future[Any], error: BaseException | None = None) -> None:
    """Hand what came home to the dispatch, once both are known; None comes of a job that died."""
    dispatch: Dispatch | None = vars(future).get(_DISPATCH)
    if dispatch is not None:
        dispatch.report(vars(future).get(_REPORT), error)


def _failure(future: Future[Any]) -> BaseException | None:
    return future._exception if future.done() else None


def _traced(error: BaseException) -> Any:
    return _ExceptionWithTraceback(error, error.__traceback__)  # type: ignore[arg-type]


def _sendable(delivery: Delivery) -> Delivery:
    """Fail as the pool will, if the delivery does not pickle: its report must come home still."""
    if delivery.report.blob:
        try:
            ForkingPickler.dumps(delivery)
        except Exception as error:  # noqa: BLE001 - whatever the application's pickling raises
            return Delivery(None, delivery.report, _traced(error))
    return delivery


_ADAPTER: Final = ForkAdapter(
    "concurrent.futures.process",
    "ProcessPoolExecutor.submit",
    frozenset({"concurrent", "multiprocessing"}),
)
