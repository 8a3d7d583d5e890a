"""What event loops of asyncio's make share: a task, and a call in an executor, is a branch.

Forked where it is created, joined by whoever reads its outcome, mostly by `await`. Hooked at the
loop's own methods, which everything that starts tasks goes through, whatever factory it has.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable, Coroutine, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import Context
from functools import partial
from pathlib import Path
from types import CoroutineType, FrameType
from typing import Any, Final, TypeVar

import wrapt

from baggage.boundary import Boundary, Fork
from baggage.context import Branch, branch, branch_in, enter, leave, suppressed
from baggage.instrumentation._forking import ForkAdapter
from baggage.instrumentation._patching import Switch, wrap

T = TypeVar("T")
Positional = tuple[Any, ...]
Named = dict[str, Any]


class Forked(asyncio.Future[T]):
    """A future of work in a branch of its own: who reads its outcome knows what that branch knew.

    The one that awaits it, and the callbacks of `gather`, `shield` and their like, which run in the
    context of whoever called these.
    """

    _fork: Fork

    def __await__(self) -> Generator[Any, None, T]:
        try:
            if not self.done():
                yield Waiter(self)
            if not self.done():
                raise RuntimeError("await wasn't used with future")
            return super().result()
        finally:
            self.join()
            del self  # from the traceback of what was raised, which is the task's own

    __iter__ = __await__

    def result(self) -> T:
        try:
            return super().result()
        finally:
            self.join()
            del self

    def exception(self) -> BaseException | None:
        try:
            return super().exception()
        finally:
            self.join()
            del self

    def cancelled(self) -> bool:
        cancelled = super().cancelled()
        if cancelled:
            self.join()
        return cancelled

    def join(self) -> None:
        """Join the branch, if its work is done, into that of the caller."""
        if self.done():
            self._fork.join()


class Waiter:
    """What a task that awaits a forked one gives to its loop.

    The loop reads its result between the steps of the awaiting task, where the branch need not be
    that task's: there is nothing to read here. The outcome is read within the next step.
    """

    __slots__ = ("_asyncio_future_blocking", "_awaited")

    def __init__(self, awaited: Forked[Any]) -> None:
        """Await a future that isn't done."""
        self._awaited = awaited
        self._asyncio_future_blocking = True

    def add_done_callback(
        self, wake: Callable[[Any], object], *, context: Context | None = None
    ) -> None:
        """Wake the awaiting task when the awaited one is done."""
        self._awaited.add_done_callback(lambda _: wake(self), context=context)

    def result(self) -> None:
        """Tell nothing."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._awaited, name)


class Task(Forked[T], asyncio.Task[T]):
    """A task of the default kind. By its name and in its `repr` it is what it would be."""

    def __init__(self, fork: Fork, coroutine: Coroutine[Any, Any, T], **options: Any) -> None:
        """Start the task. An eager one runs right here."""
        self._fork = fork
        super().__init__(coroutine, **options)

    def get_coro(self) -> Any:
        """Return the application's coroutine."""
        running = super().get_coro()
        return getattr(running, "application", running)


class Call(Forked[T]):
    """The future of a call in an executor."""

    def __init__(self, fork: Fork, call: asyncio.Future[T]) -> None:
        """Follow `call`, and let it follow this one where this one is cancelled."""
        super().__init__(loop=call.get_loop())
        self._fork = fork
        call.add_done_callback(self._follow)
        self.add_done_callback(lambda _: call.cancel())

    def _follow(self, call: asyncio.Future[T]) -> None:
        if self.done():
            return
        if call.cancelled():
            self.cancel()
            return
        error = call.exception()
        if error is None:
            self.set_result(call.result())
        else:
            self.set_exception(error)


def instrument_loop(loop: type, boundary: Boundary, switch: Switch) -> None:
    """Wrap a class of event loops, once."""

    def create_task(
        wrapped: Callable[..., Any], loop: Any, args: Positional, kwargs: Named
    ) -> asyncio.Future[Any]:
        work, options = _work_of(*args, **kwargs)
        if work is None or _is_a_frameworks():
            return wrapped(*args, **kwargs)  # type: ignore[no-any-return]
        context = options.get("context")
        token = None if context is None else enter(branch_in(context))
        try:
            if token is None and branch() is None:
                begin_carrying()
            fork = boundary.fork(_TASK, None)
            if fork is None:
                return wrapped(*args, **kwargs)  # type: ignore[no-any-return]
            return fork.start(lambda: _launch(fork, wrapped, loop, work, options))
        finally:
            if token is not None:
                leave(token)

    def run_in_executor(
        wrapped: Callable[..., asyncio.Future[Any]], _: Any, args: Positional, kwargs: Named
    ) -> asyncio.Future[Any]:
        executor, work = _call_of(*args, **kwargs)
        if work is None or work.func in _ERRANDS or not _in_a_thread(executor):
            return wrapped(*args, **kwargs)
        context = _context_of(work)
        with _as_in(context):
            fork = boundary.fork(_CALL, None)
            if fork is None:
                return wrapped(*args, **kwargs)

            def launch() -> asyncio.Future[Any]:
                # The pool's own submit, and a worker that it starts, are no other branches.
                with suppressed():
                    return wrapped(executor, _running(fork, work, context))

            return Call(fork, fork.start(launch))

    wrap(loop, "create_task", switch, create_task)
    wrap(loop, "run_in_executor", switch, run_in_executor)


def _launch(
    fork: Fork,
    create: Callable[..., Any],
    loop: asyncio.AbstractEventLoop,
    work: Coroutine[Any, Any, Any],
    options: Named,
) -> asyncio.Future[Any]:
    """Create the task that does a fork's work."""
    chosen = options.get("context")
    factory = loop.get_task_factory()
    if factory is not None and factory is not _EAGER:
        running = fork.arun(work, home=True)
        if chosen is not None:
            return create(running, **options)  # type: ignore[no-any-return]
        # Without `context`, which a factory need not know: its task copies this one.
        return fork.context().run(create, running, **options)
    if chosen is not None or fork.watched:
        context = fork.context() if chosen is None else chosen
        return _task(fork, loop, fork.arun(work), {**options, "context": context}, factory)
    context = fork.context()
    task = _task(fork, loop, work, {**options, "context": context}, factory)
    if task.done():
        fork.over()
    else:
        task.add_done_callback(lambda _: fork.over(), context=context)
    return task


def _task(
    fork: Fork,
    loop: asyncio.AbstractEventLoop,
    running: Coroutine[Any, Any, Any],
    options: Named,
    factory: object,
) -> Task[Any]:
    if factory is _EAGER:
        options.setdefault("eager_start", True)
    if loop.is_closed():
        raise RuntimeError("Event loop is closed")
    task = Task(fork, running, loop=loop, **options)
    created = getattr(task, "_source_traceback", None)
    while created and created[-1].filename.startswith(_OURS):
        del created[-1]  # in debug mode: what remains tells where the application created it
    return task


def begin_carrying() -> None:
    """Give the caller a branch, which copies of its context share: what they join comes to it."""
    if branch() is None:
        enter(Branch(idle=True))


@contextmanager
def _as_in(context: Context | None) -> Iterator[None]:
    """Run a block in the branch of an explicit context; else in that of the caller, who has one."""
    if context is None:
        begin_carrying()
        yield
        return
    token = enter(branch_in(context))
    try:
        yield
    finally:
        leave(token)


def _is_a_frameworks() -> bool:
    """Say whether a framework creates a task, as one step of a request: it shares its branch."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package not in _BETWEEN:
            return package in _FRAMEWORKS
        frame = frame.f_back
    return False


def _work_of(
    coro: object = None, /, **options: Any
) -> tuple[Coroutine[Any, Any, Any] | None, Named]:
    """Return the coroutine that a task is to be created for, None for what is none."""
    if coro is None:
        coro = options.pop("coro", None)
    known = type(coro) is CoroutineType or isinstance(coro, Coroutine)
    return (coro if known else None), options  # type: ignore[return-value]


def _call_of(
    executor: object = None, func: Callable[..., Any] | None = None, /, *args: Any, **_: Any
) -> tuple[object, partial[Any] | None]:
    """Return the executor, and what it is to call."""
    return executor, None if func is None else partial(func, *args)


def _in_a_thread(executor: object) -> bool:
    return executor is None or isinstance(executor, ThreadPoolExecutor)


def _context_of(work: partial[Any]) -> Context | None:
    """Return the context that a call is made to run in, as `asyncio.to_thread` has it."""
    owner = getattr(work.func, "__self__", None)
    runs = isinstance(owner, Context) and getattr(work.func, "__name__", "") == "run"
    return owner if runs and work.args else None


def _running(fork: Fork, work: partial[Any], context: Context | None) -> Callable[[], Any]:
    """Return what an executor is to call: the work in its branch, within its own context."""
    if context is None:
        return partial(fork.run, work)
    step, *args = work.args
    return partial(context.run, fork.run, partial(step, *args, **work.keywords))


_LIBRARY: Final = "asyncio"
_PACKAGES: Final = frozenset({"asyncio", "uvloop"})
_TASK: Final = ForkAdapter(
    _LIBRARY,
    "loop.create_task",
    _PACKAGES,
    below=frozenset({"aiohttp", "httpx", "httpx2", "grpc.aio"}),
)
_CALL: Final = ForkAdapter(_LIBRARY, "loop.run_in_executor", _PACKAGES, below=_TASK.below)
# What loops call in threads for their own ends.
_ERRANDS: Final = (socket.getaddrinfo, socket.getnameinfo)
_OURS: Final = (str(Path(__file__).parents[1]), str(Path(wrapt.__file__).parent))
_FRAMEWORKS: Final = frozenset({"aiohttp", "fastapi", "starlette", "uvicorn"})
_BETWEEN: Final = frozenset({"anyio", "asyncio", "baggage", "wrapt"})
_EAGER: Final = getattr(asyncio, "eager_task_factory", object())
