"""Executors: where work is done that is not done here, by the name that a command line gives it."""

from __future__ import annotations

import inspect
import multiprocessing
import os
import sys
from collections.abc import Callable
from concurrent.futures import (
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
)
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import wait
from threading import Lock, Thread
from typing import Any, Final, TypeVar

from metaapps.filibuster.workers.attendance import Attendance, Ticket
from metaapps.filibuster.workers.count import WorkersError
from metaapps.filibuster.workers.forking import ClosedError, WorkerDiedError

THREADS: Final = "threads"
PROCESSES: Final = "processes"
_DASK: Final = "dask://"
_REACHED_WITHIN: Final = 15.0
_LOOK: Final = 1.0
# An executor that knows of the death of its workers says so, or begins again, within this time.
_DESERTED_FOR: Final = 30.0
_TAKEN_WITHIN: Final = 60.0

T = TypeVar("T")
A = TypeVar("A")


def executor(spec: str, workers: int, preload: str) -> Callable[[], Executor]:
    """Return what makes the executors that a command line names. Raises WorkersError.

    `processes`, `dask://host:port`, or `module:factory`, where a factory that takes `max_workers`
    is told how many there are. `preload` is a module that workers need.
    """
    if spec == PROCESSES:
        return lambda: _processes(workers, preload)
    if spec.startswith(_DASK):
        return lambda: _dask(spec)
    module, colon, name = spec.partition(":")
    if not (module and colon and name):
        raise WorkersError(
            f"--executor {spec!r}: give threads, processes, dask://host:port or module:factory"
        )
    factory = _imported(spec, module, name)
    return lambda: _made(spec, factory, workers)


class Elsewhere:
    """An executor to give work to; one that breaks is replaced. Safe in any thread."""

    def __init__(self, spec: str, make: Callable[[], Executor], host: str) -> None:
        """Make the executor. Workers reach the explorer at `host`."""
        self._spec = spec
        self._make = make
        self._lock = Lock()
        self._executor: Executor | None = make()
        self._attendance = Attendance(host)

    def run(self, function: Callable[[A, Ticket], T], argument: A) -> T:
        """Return what a function returns that runs elsewhere, attending; raise what it raises.

        Raises WorkerDiedError if its worker ended before, and WorkersError if there is none.
        """
        running = self._running()
        ticket = self._attendance.ticket()
        try:
            future = running.submit(function, argument, ticket)
            return self._awaited(future, ticket)
        except (BrokenExecutor, CancelledError, RuntimeError) as error:
            self._replace(running)
            raise WorkerDiedError(f"a worker of {self._spec} ended") from error
        except Exception as error:
            if type(error).__name__ == "KilledWorker":  # Dask's, which need not be installed
                raise WorkerDiedError(f"workers of {self._spec} ended") from error
            raise
        finally:
            self._attendance.forget(ticket)

    def close(self) -> None:
        """Give no more work, and have what is under way cut off."""
        with self._lock:
            running, self._executor = self._executor, None
        self._attendance.close()
        if running is not None:
            running.shutdown(cancel_futures=True)

    def _awaited(self, future: Future[T], ticket: Ticket) -> T:
        while True:
            with suppress(TimeoutError):
                return future.result(_LOOK)
            if future.done():
                return future.result()
            if self._attendance.deserted(ticket) > _DESERTED_FOR:
                future.cancel()
                raise WorkerDiedError(f"a worker of {self._spec} is gone")
            if self._attendance.idle > _TAKEN_WITHIN:
                future.cancel()
                raise WorkersError(
                    f"no worker of {self._spec} took a test within {_TAKEN_WITHIN:g} s: "
                    "do they run, and can they reach this machine?"
                )

    def _running(self) -> Executor:
        with self._lock:
            if self._executor is None:
                raise ClosedError
            return self._executor

    def _replace(self, broken: Executor) -> None:
        with self._lock:
            if self._executor is not broken:
                return
            broken.shutdown(wait=False)
            self._executor = self._make()


def _processes(workers: int, preload: str) -> Executor:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([preload])
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent)


def _end_with_parent() -> None:
    """Make this process end when its parent does, however that one ends."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        Thread(target=_watch, args=(parent.sentinel,), daemon=True).start()


def _watch(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def _dask(spec: str) -> Executor:
    try:
        distributed = import_module("distributed")
    except ImportError as error:
        raise WorkersError(f"--executor {spec} needs Dask: pip install 'baggage[dask]'") from error
    address = f"tcp://{spec.removeprefix(_DASK)}"
    try:
        client = distributed.Client(address, timeout=_REACHED_WITHIN, set_as_default=False)
    except (OSError, ValueError) as error:
        raise WorkersError(f"no Dask scheduler answers at {address}: {error}") from error
    return _Dask(client)


class _Dask(Executor):
    """A client's executor, with the client closed at the end."""

    def __init__(self, client: Any) -> None:
        self._client = client
        # Equal work is not the same work: it shall be done each time.
        self._executor = client.get_executor(pure=False)

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = self._executor.submit(fn, *args, **kwargs)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._client.close(timeout=_LOOK)


def _imported(spec: str, module: str, name: str) -> Callable[..., object]:
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        factory = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise WorkersError(f"--executor {spec}: {error}") from error
    if not callable(factory):
        raise WorkersError(f"--executor {spec}: {name!r} can't be called")
    made: Callable[..., object] = factory
    return made


def _made(spec: str, factory: Callable[..., object], workers: int) -> Executor:
    try:
        told = "max_workers" in inspect.signature(factory).parameters
    except ValueError:
        told = False
    try:
        made = factory(max_workers=workers) if told else factory()
    except Exception as error:
        raise WorkersError(f"--executor {spec}: {type(error).__name__}: {error}") from error
    if not isinstance(made, Executor):
        raise WorkersError(f"--executor {spec} returned {made!r}, which is no Executor")
    return made
