"""multiprocessing: a process is a branch, forked at its start, joined by `join()`.

What it's given along travels in the process object, which pickles under every start method; what it
brings home comes through a pipe of its own, as far as that has room. A process that multiprocessing
starts for its own ends (of pools and managers) carries nothing: what it does for others comes with
that.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe
from multiprocessing.process import BaseProcess
from typing import Any, Final

from baggage.boundary import Boundary, Dispatch, Errand, Report, Visit
from baggage.context import suppressed
from baggage.instrumentation._forking import ForkAdapter
from baggage.instrumentation._patching import Switch, wrap

_log = logging.getLogger("baggage.boundary")
_DISPATCH: Final = "_baggage_dispatch"
_ROOM: Final = 32 * 1024
"""Bytes for a report, half of what a pipe holds: the process must end though nobody reads it."""
Arguments = tuple[Any, ...]
Named = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a process runs instead of its `run`: that, in a branch of its own."""

    process: BaseProcess
    errand: Errand
    home: Connection
    run: Callable[[], object] | None

    def __call__(self) -> None:
        """Run. What the work raises passes through."""
        vars(self.process).pop("run", None)
        visit = Visit(self.errand, self.boundary(), _ADAPTER)
        try:
            visit.run(self.run or self.process.run)
        finally:
            self._report(visit)

    def boundary(self) -> Boundary | None:
        """Return the boundary of the process that this runs in, if that is instrumented."""
        return None

    def _report(self, visit: Visit) -> None:
        try:
            os.set_blocking(self.home.fileno(), False)
            self.home.send(visit.report(_ROOM))
            self.home.close()
        except OSError as error:
            _log.warning("report lost", extra={"reason": str(error)})


@dataclass(frozen=True, slots=True)
class _Away:
    """What the parent knows of a process: its branch, and where its report comes from."""

    dispatch: Dispatch
    home: Connection

    def join(self) -> None:
        """Take the report of a process that has ended, and join its branch."""
        if not self.home.closed:
            self.dispatch.report(self._received())
            self.home.close()
        self.dispatch.join()

    def _received(self) -> Report | None:
        try:
            received = self.home.recv() if self.home.poll() else None
        except (EOFError, OSError):
            return None
        return received if isinstance(received, Report) else None


def instrument(boundary: Boundary, switch: Switch) -> None:
    """Wrap processes, and what this process may have been started to run, once."""

    def start(
        wrapped: Callable[[], None], process: BaseProcess, args: Arguments, kwargs: Named
    ) -> None:
        if _is_our_own(process):
            with suppressed():
                return wrapped(*args, **kwargs)
        dispatch = None if process.ident is not None else boundary.dispatch(_ADAPTER, None)
        if dispatch is None:
            return wrapped(*args, **kwargs)
        home, theirs = Pipe(duplex=False)
        try:
            dispatch.start(lambda: _start(wrapped, process, dispatch, theirs))
        except BaseException:
            home.close()
            raise
        finally:
            theirs.close()
        vars(process)[_DISPATCH] = _Away(dispatch, home)
        return None

    wrap(BaseProcess, "start", switch, start)
    wrap(BaseProcess, "join", switch, _join)
    wrap(Assignment, "boundary", switch, lambda *_: boundary)


def _is_our_own(process: BaseProcess) -> bool:
    target = vars(process).get("_target")
    return str(getattr(target, "__module__", "")).startswith(("multiprocessing.", "concurrent."))


def _start(
    wrapped: Callable[[], None], process: BaseProcess, dispatch: Dispatch, home: Connection
) -> None:
    own = vars(process)
    run = own.get("run")
    own["run"] = Assignment(process, dispatch.errand(), home, run)
    try:
        wrapped()
    finally:
        # Here it is the application's again; the started process has a copy.
        del own["run"]
        if run is not None:
            own["run"] = run


def _join(
    wrapped: Callable[..., None], process: BaseProcess, args: Arguments, kwargs: Named
) -> None:
    wrapped(*args, **kwargs)
    away: _Away | None = vars(process).get(_DISPATCH)
    if away is not None and process.exitcode is not None:
        away.join()


_ADAPTER: Final = ForkAdapter("multiprocessing", "Process.start", frozenset({"multiprocessing"}))
