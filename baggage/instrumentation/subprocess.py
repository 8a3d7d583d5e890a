"""subprocess: a child process is a branch, and finds what its parent carried in `BAGGAGE`.

Whether the child reads that, and packs anything, nobody knows here: its branch ends when somebody
has waited for it. An instrumented child hands what it would bring home to its owners at its end.
Where nothing is carried, the environment stays as it is, apart from what this process was itself
started with: where something else is going on, that is not handed on.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, Final

import wrapt

from baggage.boundary import Boundary, Dispatch
from baggage.boundary.settings import environment
from baggage.context import suppressed
from baggage.instrumentation._forking import ForkAdapter
from baggage.instrumentation._patching import Switch, wrap

_DISPATCH: Final = "_baggage_dispatch"
_VARIABLE: Final = "BAGGAGE"
_POSITION: Final = 10
"""Where `env` stands among the arguments of `Popen`."""
Arguments = tuple[Any, ...]
Named = dict[str, Any]


def instrument(boundary: Boundary, switch: Switch) -> None:
    """Wrap child processes, once."""

    def start(
        wrapped: Callable[..., None],
        process: subprocess.Popen[Any],
        args: Arguments,
        kwargs: Named,
    ) -> None:
        dispatch = boundary.dispatch(_ADAPTER, None)
        if dispatch is None:
            return wrapped(*args, **kwargs)
        dispatch.start(lambda: _start(wrapped, dispatch, args, dict(kwargs)))
        vars(process)[_DISPATCH] = dispatch
        return None

    wrap(subprocess.Popen, "__init__", switch, start)
    wrap(subprocess.Popen, "wait", switch, _wait)
    wrap(subprocess.Popen, "poll", switch, _wait)
    wrapt.register_post_import_hook(
        lambda loops: _instrument_loops(loops, switch), "asyncio.base_subprocess"
    )
    wrapt.register_post_import_hook(
        lambda loops: _instrument_watchers(loops, switch), "asyncio.unix_events"
    )


def _instrument_loops(loops: ModuleType, switch: Switch) -> None:
    """Wrap what awaits a child process: it does not ask the process itself."""

    async def wait(wrapped: Callable[..., Any], transport: Any, args: Any, kwargs: Any) -> Any:
        try:
            return await wrapped(*args, **kwargs)
        finally:
            process = transport.get_extra_info("subprocess")
            if process is not None:
                _join(process)

    wrap(loops.BaseSubprocessTransport, "_wait", switch, wait)


def _instrument_watchers(loops: ModuleType, switch: Switch) -> None:
    """Wrap what watches a child process in a thread of its own, up to Python 3.11 by default."""

    def watch(wrapped: Callable[..., Any], _: object, args: Any, kwargs: Any) -> Any:
        with suppressed():
            return wrapped(*args, **kwargs)

    if hasattr(loops, "ThreadedChildWatcher"):
        wrap(loops.ThreadedChildWatcher, "add_child_handler", switch, watch)


def _start(
    wrapped: Callable[..., None], dispatch: Dispatch, args: Arguments, kwargs: Named
) -> None:
    if dispatch.parent is None and not dispatch.header():
        return wrapped(*args, **kwargs)
    given = args[_POSITION] if len(args) > _POSITION else kwargs.get("env")
    handed = _handed(given, dispatch.header())
    if len(args) > _POSITION:
        return wrapped(*args[:_POSITION], handed, *args[_POSITION + 1 :], **kwargs)
    return wrapped(*args, **{**kwargs, "env": handed})


def _handed(given: Mapping[Any, Any] | None, header: str) -> Mapping[Any, Any] | None:
    """Return the environment for a child; a variable that the caller chose himself stays."""
    own = environment()
    base = own if given is None else given
    found = base.get(_VARIABLE)
    chosen = given is not None and found is not None and found != own.get(_VARIABLE)
    if chosen or not (header or found):
        return given
    handed = {name: value for name, value in base.items() if name != _VARIABLE}
    if header:
        handed[_VARIABLE] = header
    return handed


def _wait(
    wrapped: Callable[..., Any], process: subprocess.Popen[Any], args: Arguments, kwargs: Named
) -> Any:
    try:
        return wrapped(*args, **kwargs)
    finally:
        _join(process)


def _join(process: subprocess.Popen[Any]) -> None:
    dispatch: Dispatch | None = vars(process).get(_DISPATCH)
    if dispatch is not None and process.returncode is not None:
        dispatch.report()
        dispatch.join()


_ADAPTER: Final = ForkAdapter("subprocess", "Popen", frozenset({"subprocess", "asyncio"}))
