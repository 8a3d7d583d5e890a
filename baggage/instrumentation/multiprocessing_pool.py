"""multiprocessing.pool: a task is a branch, and so is a call of `map` or `imap`, around its tasks.

How many tasks a call makes, and when, is the pool's choice; in the call's branch they are numbered
by themselves. Joined by `get`, or by what iterates over results. What tasks of processes bring home
comes with their results, which are taken apart before anybody sees them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from multiprocessing.pool import (  # type: ignore[attr-defined]
    ApplyResult,
    ExceptionWithTraceback,
    IMapIterator,
    IMapUnorderedIterator,
    MapResult,
    MaybeEncodingError,
    Pool,
    ThreadPool,
    _helper_reraises_exception,
)
from multiprocessing.reduction import ForkingPickler
from threading import Lock
from typing import Any, Final

from baggage import context
from baggage.boundary import Boundary, Dispatch, Errand, Fork, Report, Visit
from baggage.context import attached, suppressed
from baggage.instrumentation._forking import ForkAdapter
from baggage.instrumentation._patching import Switch, wrap

_COURSE: Final = "_baggage_course"
Arguments = tuple[Any, ...]
Named = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a task returns: a result, or what was raised as `failure`; and its report."""

    result: Any
    report: Report
    failure: Any = None

    def __repr__(self) -> str:
        """Look like what it holds: pools show what they could not send."""
        return repr(self.result if self.failure is None else self.failure)


@dataclass(frozen=True, slots=True)
class Task:
    """A task that is to be done in a branch of its own, in another process."""

    work: Callable[..., Any]
    errand: Errand

    def __call__(self, *args: Any, **kwargs: Any) -> Delivery:
        """Do it; what ends the worker, and no task, passes through."""
        visit = Visit(self.errand, self.boundary(), _TASK)
        try:
            delivery = Delivery(visit.run(lambda: self.work(*args, **kwargs)), visit.report())
        except Exception as error:  # noqa: BLE001 - handed to whoever gets the result
            traced = ExceptionWithTraceback(error, error.__traceback__)
            delivery = Delivery(None, visit.report(), traced)
        if delivery.report.blob:
            try:
                ForkingPickler.dumps(delivery)
            except Exception as error:  # noqa: BLE001 - whatever the application's pickling raises
                unsent = delivery.result if delivery.failure is None else delivery.failure
                return Delivery(None, delivery.report, MaybeEncodingError(error, unsent))
        return delivery

    def boundary(self) -> Boundary | None:
        """Return the boundary of the process that this runs in, if that is instrumented."""
        return None


class Course:
    """One call of a pool's method: its branch, and those of the tasks that are under way.

    The call of a single task is that task. Safe in the threads of the pool.
    """

    __slots__ = ("_boundary", "_fork", "_lock", "_more", "_over", "_single", "_tasks")

    def __init__(self, boundary: Boundary, fork: Fork) -> None:
        """Begin, without tasks yet."""
        self._boundary, self._fork = boundary, fork
        self._lock = Lock()
        self._more, self._over, self._single = True, False, False
        self._tasks: dict[int, Fork] = {}
        fork.start(lambda: None)

    def single(self, work: Callable[..., Any]) -> Callable[..., Any]:
        """Return the work of the only task."""
        self._single = True
        return _in_branch(self._fork, work)

    def task(self, number: int, work: Callable[..., Any]) -> Callable[..., Any]:
        """Return the work of one task, and keep its branch."""
        make = self._boundary.dispatch if isinstance(self._fork, Dispatch) else self._boundary.fork
        with attached(self._fork.child):
            fork = make(_TASK, None)
            if fork is None:
                return work
            fork.start(lambda: None)
        with self._lock:
            self._tasks[number] = fork
        return _in_branch(fork, work)

    def done(self, number: int, delivered: tuple[bool, Any]) -> tuple[bool, Any]:
        """Take what a task brings home; return what the application gets of it."""
        success, value = delivered
        report = None
        if isinstance(value, Delivery):
            report, success = value.report, value.failure is None
            value = value.result if success else value.failure
        with self._lock:
            fork = self._fork if self._single else self._tasks.pop(number, None)
        if fork is not None:
            with attached(self._fork.child):
                if isinstance(fork, Dispatch):
                    fork.report(report, None if success else value)
                fork.join()
        return success, value

    def end(self, *, more: bool) -> None:
        """End the call's branch if nothing is left of it to do, nor any `more` to come."""
        with self._lock:
            self._more = self._more and more
            if self._over or self._more or self._tasks or self._single:
                return
            self._over = True
        if isinstance(self._fork, Dispatch):
            self._fork.report()
        else:
            self._fork.run(lambda: None)

    def resume(self, work: Callable[[], Any]) -> Any:
        """Do what follows on a result: callbacks."""
        if self._single:
            return self._fork.resume(work)
        with attached(self._fork.child):
            return work()

    def join(self) -> None:
        """Join the branch of the call, or as much as is there of an `imap` that goes on."""
        if self._single or self._over:
            self._fork.join()
        else:
            context.join(self._fork.child, batch=True)


def _in_branch(fork: Fork, work: Callable[..., Any]) -> Callable[..., Any]:
    if isinstance(fork, Dispatch):
        return Task(work, fork.errand())
    return lambda *args, **kwargs: fork.run(lambda: work(*args, **kwargs))


_starting: Final[ContextVar[Course | None]] = ContextVar("baggage.pool.starting", default=None)
"""The course of a call whose result does not exist yet."""


def instrument(boundary: Boundary, switch: Switch) -> None:
    """Wrap pools and their results, and the tasks that this process may get, once."""

    def course(pool: Pool) -> Course | None:
        make = boundary.fork if isinstance(pool, ThreadPool) else boundary.dispatch
        fork: Fork | None = make(_CALL, None)
        return None if fork is None else Course(boundary, fork)

    def begin(wrapped: Callable[..., None], result: Any, args: Arguments, kwargs: Named) -> None:
        vars(result)[_COURSE] = _starting.get() or course(args[0])
        wrapped(*args, **kwargs)

    def apply_async(wrapped: Callable[..., Any], pool: Pool, args: Arguments, kwargs: Named) -> Any:
        named = dict(kwargs)
        work = args[0] if args else named.pop("func", None)
        started = None if work is None else course(pool)
        if started is None:
            return wrapped(*args, **kwargs)
        token = _starting.set(started)
        try:
            return wrapped(started.single(work), *args[1:], **named)
        finally:
            _starting.reset(token)

    wrap(Pool, "__init__", switch, _make)
    wrap(Pool, "apply_async", switch, apply_async)
    wrap(Pool, "_guarded_task_generation", switch, _tasks)
    wrap(ApplyResult, "__init__", switch, begin)
    wrap(MapResult, "__init__", switch, _begin_map)
    wrap(IMapIterator, "__init__", switch, begin)
    wrap(Task, "boundary", switch, lambda *_: boundary)
    # What was sent comes back, switched off or not.
    for kind in (ApplyResult, MapResult, IMapIterator, IMapUnorderedIterator):
        wrap(kind, "_set", Switch(), _set)
    for kind, name in ((ApplyResult, "get"), (IMapIterator, "next"), (IMapIterator, "__next__")):
        wrap(kind, name, switch, _read)


def _make(wrapped: Callable[..., None], _: Pool, args: Arguments, kwargs: Named) -> None:
    """Let workers be the pool's, and no branches of whoever makes it."""
    with suppressed():
        wrapped(*args, **kwargs)


def _begin_map(wrapped: Callable[..., None], result: Any, args: Arguments, kwargs: Named) -> None:
    """End a `map` of nothing at once: the pool forgets it before it asks for tasks."""
    wrapped(*args, **kwargs)
    course: Course | None = vars(result).get(_COURSE)
    if course is not None and result._number_left == 0:
        course.end(more=False)


def _tasks(
    wrapped: Callable[..., Iterator[Any]], pool: Any, args: Arguments, kwargs: Named
) -> Iterator[Any]:
    tasks = wrapped(*args, **kwargs)
    result = pool._cache.get(args[0])
    course: Course | None = None if result is None else vars(result).get(_COURSE)
    return tasks if course is None else _followed(course, tasks)


def _followed(course: Course, tasks: Iterator[Any]) -> Iterator[Any]:
    """Let each task do its work in a branch of its own. The pool's own thread iterates."""
    for call, number, work, args, kwargs in tasks:
        if work is not _helper_reraises_exception:
            work = course.task(number, work)
        yield call, number, work, args, kwargs
    course.end(more=False)


def _set(wrapped: Callable[..., None], result: Any, args: Arguments, kwargs: Named) -> None:
    course: Course | None = vars(result).get(_COURSE)
    if course is None:
        return wrapped(*args, **kwargs)
    number, delivered = args
    delivered = course.done(number, delivered)
    # The last one of a `map` is known; that of an `imap`, when there are no more tasks.
    course.end(more=vars(result).get("_number_left") != 1)
    return course.resume(lambda: wrapped(number, delivered))  # type: ignore[no-any-return]


def _read(wrapped: Callable[..., Any], result: Any, args: Arguments, kwargs: Named) -> Any:
    try:
        return wrapped(*args, **kwargs)
    finally:
        course: Course | None = vars(result).get(_COURSE)
        if course is not None and (isinstance(result, IMapIterator) or result.ready()):
            course.join()


_PACKAGES: Final = frozenset({"multiprocessing"})
_CALL: Final = ForkAdapter("multiprocessing.pool", "Pool", _PACKAGES)
_TASK: Final = ForkAdapter("multiprocessing.pool", "Pool.task", _PACKAGES)
