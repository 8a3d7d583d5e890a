"""What event loops of asyncio's make share: a task, and a call in an executor, is a branch.

Forked where it is created, joined by whoever reads its outcome, mostly by `await`. Hooked at the
loop's own methods, which everything that starts tasks goes through, whatever factory it has.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context, Token, copy_context
from functools import partial
from inspect import iscoroutinefunction
from pathlib import Path
from types import CoroutineType, FrameType
from typing import Any, Final

import wrapt

from baggage.boundary import Boundary, Fork, Kind
from baggage.context import Branch, branch, branch_in, enter, leave, suppressed
from baggage.instrumentation._forked import Future, Loose, Task
from baggage.instrumentation._forking import ForkAdapter, bridged
from baggage.instrumentation._patching import Switch, wrap

Positional = tuple[Any, ...]
Named = dict[str, Any]
Create = Callable[..., asyncio.Future[Any]]


def instrument_loop(loop: type, boundary: Boundary, switch: Switch) -> None:
    """Wrap a class of event loops, once."""

    def create_task(
        wrapped: Create, loop: Any, args: Positional, kwargs: Named
    ) -> asyncio.Future[Any]:
        work, options = _work_of(*args, **kwargs)
        if work is None:
            return wrapped(*args, **kwargs)
        factory = loop.get_task_factory()
        context = options.get("context")
        if context is None and (factory is None or factory is _EAGER) and _nobody_minds(boundary):
            return _loose(loop, work, options, factory)
        if bridged(work) or _is_a_frameworks():
            return wrapped(*args, **kwargs)
        with Caller(context):
            fork = boundary.fork(_TASK, None)
            if fork is None:
                return wrapped(*args, **kwargs)
            return fork.start(lambda: _launch(fork, wrapped, loop, work, options))

    def run_in_executor(
        wrapped: Create, loop: Any, args: Positional, kwargs: Named
    ) -> asyncio.Future[Any]:
        executor, work = _call_of(*args, **kwargs)
        if work is None or _is_errand(work.func) or not _in_a_thread(executor):
            return wrapped(*args, **kwargs)
        if loop.get_debug() and iscoroutinefunction(work.func):
            return wrapped(*args, **kwargs)  # which complains
        context = _context_of(work)
        with Caller(context):
            fork = boundary.fork(_CALL, None)
            if fork is None:
                return wrapped(*args, **kwargs)
            return Future(fork, fork.start(lambda: _submit(fork, wrapped, executor, work, context)))

    wrap(loop, "create_task", switch, create_task)
    wrap(loop, "run_in_executor", switch, run_in_executor)


def _submit(
    fork: Fork, submit: Create, executor: object, work: partial[Any], context: Context | None
) -> asyncio.Future[Any]:
    """Have an executor do a fork's work."""
    # The pool's own submit, and a worker that it starts, are no other branches.
    with suppressed():
        return submit(executor, _running(fork, work, context))


def _nobody_minds(boundary: Boundary) -> bool:
    """Say whether no request is behind the caller, nothing is carried, and nobody asks."""
    running = _caller()
    if running is not None and (running.service or not running.idle):
        return False
    return not (
        boundary.interested(Kind.SPAWN, _LIBRARY) or boundary.interested(Kind.RUN, _LIBRARY)
    )


def _loose(
    loop: asyncio.AbstractEventLoop,
    work: Coroutine[Any, Any, Any],
    options: Named,
    factory: object,
) -> Task[Any]:
    """Create a task for which there is nothing to split: it gets a branch when it packs."""
    context = copy_context()
    context.run(enter, None)
    return _task(Loose(context), loop, work, {**options, "context": context}, factory)


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
    task.follow(context)
    return task


def _task(
    fork: Fork | Loose,
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


def begin_carrying() -> Branch:
    """Give the caller a branch, which copies of its context share: what they join comes to it."""
    running = branch()
    if running is None:
        running = Branch(idle=True)
        enter(running)
    return running


def _caller() -> Branch | None:
    """Return the branch of whoever calls; begun, where there is none, if a loop runs there.

    Who starts a loop needs none, since it reads the outcome itself. A branch that nobody asked for
    would stay with the main thread, and all that it calls later would be told its name.
    """
    return branch() if asyncio._get_running_loop() is None else begin_carrying()


class Caller:
    """The branch that a block forks from: an explicit context's, else that of the caller.

    Where neither carries anything it's the caller's, so that what is packed comes home to that.
    """

    __slots__ = ("_context", "_token")

    def __init__(self, context: Context | None) -> None:
        """Prepare; a context need not be entered for that."""
        self._context = context
        self._token: Token[Branch | None] | None = None

    def __enter__(self) -> None:
        running = _caller()
        if self._context is not None:
            chosen = branch_in(self._context)
            if chosen is not None or not (running is None or running.idle):
                self._token = enter(chosen)

    def __exit__(self, *error: object) -> None:
        if self._token is not None:
            leave(self._token)


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
    known = type(coro) is CoroutineType or (isinstance(coro, Coroutine) and not _is_closing(coro))
    return (coro if known else None), options  # type: ignore[return-value]


def _call_of(
    executor: object = None, func: Callable[..., Any] | None = None, /, *args: Any, **_: Any
) -> tuple[object, partial[Any] | None]:
    """Return the executor, and what it is to call."""
    return executor, None if func is None else partial(func, *args)


def _is_errand(work: object) -> bool:
    """Say whether a loop calls something for its own ends. What is called may refuse to compare."""
    return any(work is errand for errand in _ERRANDS) or bridged(work)


def _type_of_closing() -> type:
    closing = _nothing().aclose()
    closing.close()  # or else newer Pythons warn that nobody awaited it
    return type(closing)


async def _nothing() -> AsyncGenerator[None, None]:
    yield


def _is_closing(work: object) -> bool:
    """Say whether a generator is closed, as loops do in whatever branch its garbage is found."""
    return type(work) is _CLOSING


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
    below=frozenset({"aiohttp", "aiokafka", "httpx", "httpx2", "grpc.aio"}),
)
_CALL: Final = ForkAdapter(_LIBRARY, "loop.run_in_executor", _PACKAGES, below=_TASK.below)
# What loops call in threads for their own ends.
_ERRANDS: Final = (socket.getaddrinfo, socket.getnameinfo)
_CLOSING: Final = _type_of_closing()
_OURS: Final = (str(Path(__file__).parents[1]), str(Path(wrapt.__file__).parent))
_FRAMEWORKS: Final = frozenset(
    {"aiohttp", "django", "fastapi", "hypercorn", "starlette", "uvicorn"}
)
_BETWEEN: Final = frozenset({"anyio", "asyncio", "baggage", "wrapt"})
_EAGER: Final = getattr(asyncio, "eager_task_factory", object())
