"""The services under test: where they are, which of them have ended, and starting them afresh.

Those that a run starts itself; those that run here already; or those that somebody else looks
after, of which nothing is known.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from threading import Event, Lock
from typing import Final

from rich.markup import escape

from metaapps.filibuster import services as deployments
from metaapps.filibuster import settings
from metaapps.filibuster.cli.options import Options
from metaapps.filibuster.cli.report import Report
from metaapps.filibuster.observation import Death
from metaapps.filibuster.services import Deployment, Detached, Service, ServicesError
from metaapps.filibuster.services.launch import (
    NOTHING,
    Written,
    addresses,
    is_refused,
    last_lines,
    written,
)

STATE: Final = Path(".filibuster")
_TRIES: Final = 3
_ENDS_WITHIN: Final = 5.0
_AT_MOST: Final = 30.0
"""Who answers nobody is given so many seconds to end, at least and at most."""
_PAUSE: Final = 0.01


class Standing:
    """Services that nobody here starts or watches: none of them ends. Safe in any thread.

    `services` are those that were started for this run.
    """

    services: tuple[Service, ...] = ()
    startable = False
    """Whether `restart` is of any use."""
    stuck = ""
    """A service that runs and answered nobody when it was looked at, "" if there is none."""

    def __init__(self, environment: Mapping[str, str], key: str) -> None:
        """`environment` says where the services are, `key` is the run's key."""
        self._environment = environment
        self.key = key
        self._given_up = Event()

    @property
    def environment(self) -> Mapping[str, str]:
        """What tells tests where the services are."""
        return self._environment

    def name_at(self, address: str) -> str:
        """Return which service is at a "host:port", as far as it is known; else that itself."""
        return address

    def deaths(self) -> tuple[Death, ...]:
        """Return the services that ended by themselves since they were started."""
        return ()

    def suspected(self) -> tuple[Death, ...]:
        """Do the same where something failed by itself: perhaps a service is just about to end."""
        return ()

    def wait(self, within: float) -> tuple[Death, ...]:
        """Do the same after so many seconds, or as soon as there is one."""
        return ()

    def written(self) -> Written:
        """Return how much the services wrote so far."""
        return NOTHING

    def last_words(self, death: Death, since: Written = NOTHING) -> str:
        """Return the last lines that a service wrote before it ended, of those `since` then."""
        return ""

    def restart(self, why: str, consequence: str = "") -> None:
        """Start the services afresh, at the same addresses if these are free still.

        Raises ServicesError where that can't be, and then each time. What is to be told is said.
        """

    def give_up(self) -> None:
        """Have whoever waits for services here, in any thread, wait no longer: the run ends."""
        self._given_up.set()


class _Watched(Standing):
    """Services whose processes are looked at."""

    def wait(self, within: float) -> tuple[Death, ...]:
        until = time.monotonic() + within
        while not (found := self.deaths()) and time.monotonic() < until:
            if self._given_up.wait(_PAUSE):
                break
        return found


class Started(_Watched):
    """Services that this run starts, and ends by `stop`."""

    startable = True

    def __init__(self, deployment: Deployment, key: str, logs: Path, report: Report) -> None:
        """Start them. Raises ServicesError where they can't be."""
        self._deployment = deployment
        self.services = deployment.services
        self._logs = logs
        self._report = report
        self._lock = Lock()
        self._gone = ""
        self._number = 1
        started = time.perf_counter()
        self._running = deployments.start(deployment, key, logs)
        self._took = time.perf_counter() - started
        report.started(self._running.environment, self._took, logs)
        super().__init__(self._running.environment, key)

    @property
    def environment(self) -> Mapping[str, str]:
        return self._running.environment

    def name_at(self, address: str) -> str:
        return self._running.names.get(address, address)

    def deaths(self) -> tuple[Death, ...]:
        with self._lock:
            ended = self._running.ended()
        return tuple(Death(name, how) for name, how in sorted(ended.items()))

    def suspected(self) -> tuple[Death, ...]:
        # Where it takes long to start, it may take long to end.
        until = time.monotonic() + min(max(_ENDS_WITHIN, 3 * self._took), _AT_MOST)
        while not (found := self.deaths()):
            # What ends may hold its socket, and accept, for as long as that takes.
            name = self._running.silenced()
            if not name:
                return self.deaths()
            if time.monotonic() > until:
                if self._running.refuses(name):
                    return (Death(name, "it refuses connections, though it runs"),)
                self.stuck = name
                return ()
            if self._given_up.wait(_PAUSE):
                break
        return found

    def written(self) -> Written:
        return self._running.written()

    def last_words(self, death: Death, since: Written = NOTHING) -> str:
        return self._running.last_words(death.service, since)

    def restart(self, why: str, consequence: str = "") -> None:
        with self._lock:
            if not (self._gone or self._given_up.is_set()):
                self._report.line(f"{escape(why)}: starting the services again{consequence}")
                self._running.stop()
                self._start_again()
                self.stuck = ""
            if self._gone or self._given_up.is_set():
                raise ServicesError(self._gone)

    def stop(self) -> None:
        """End the services."""
        with self._lock:
            self._running.stop()

    def _start_again(self) -> None:
        """Start them, in a bounded number of tries."""
        reason: ServicesError | None = None
        for _ in range(_TRIES):
            self._number += 1
            # The last words of those that ended stay where they are.
            logs = self._logs / f"start-{self._number}"
            started = time.perf_counter()
            where = self._running.environment
            try:
                self._running = deployments.start(
                    self._deployment, self.key, logs, where=where, given_up=self._given_up.is_set
                )
            except ServicesError as error:
                if self._given_up.is_set():
                    raise
                reason = error
            else:
                self._took = time.perf_counter() - started
                self._report.started_again(self._took, logs)
                return
        self._gone = f"the services can't be started again, in {_TRIES} tries: {reason}"


class Left(_Watched):
    """Services that `filibuster services start` left running, and that run on after this run."""

    def __init__(self, detached: Detached, logs: Path) -> None:
        """Watch them; what they write is in `logs`."""
        super().__init__(detached.environment, detached.key)
        self._processes = detached.services
        self._logs = logs
        self._names = addresses(detached.environment, (each.name for each in detached.services))
        self._serving = [address for address in self._names if not is_refused(address)]

    def name_at(self, address: str) -> str:
        return self._names.get(address, address)

    def deaths(self) -> tuple[Death, ...]:
        ended = (process.name for process in self._processes if not process.running)
        return tuple(Death(name, "it is not known how") for name in sorted(ended))

    def suspected(self) -> tuple[Death, ...]:
        return self.wait(_ENDS_WITHIN if any(map(is_refused, self._serving)) else 0.0)

    def written(self) -> Written:
        return written(self._logs, (process.name for process in self._processes))

    def last_words(self, death: Death, since: Written = NOTHING) -> str:
        return last_lines(self._logs, death.service, since)

    def restart(self, why: str, consequence: str = "") -> None:
        raise ServicesError(
            f"{why}, and it was `filibuster services start` that started it: stop the services, "
            "and start them again"
        )


def standing(
    options: Options, report: Report, stack: ExitStack, env: Mapping[str, str]
) -> Standing:
    """Return the services: those to start, or those that run here, or else nobody's.

    What is started is given `env`, and ended by `stack`. Without either, the test's environment has
    to say where the services are.
    """
    if options.services_file is not None:
        deployment = deployments.load(options.services_file).with_env(env)
        if options.recording is not None:
            deployment = options.recording.measured(deployment)
        logs = stack.enter_context(_logs())
        key = (settings.service_key() or secrets.token_hex(16).encode()).decode()
        started = Started(deployment, key, logs, report)
        stack.callback(started.stop)
        return started
    here = deployments.status(STATE)
    if here is not None:
        return Left(here, STATE / deployments.LOGS)
    return Standing({}, (settings.service_key() or settings.local_key()).decode())


@contextmanager
def _logs() -> Iterator[Path]:
    """Yield a directory for the services' logs that no other run writes to at this time."""
    for number in count(1):
        path = STATE / "logs" / f"run-{number}"
        path.mkdir(parents=True, exist_ok=True)
        lock = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        try:
            yield path
        finally:
            os.close(lock)
        return
