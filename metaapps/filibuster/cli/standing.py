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
from threading import Lock
from typing import Final

from metaapps.filibuster import services as deployments
from metaapps.filibuster import settings
from metaapps.filibuster.cli.options import Options
from metaapps.filibuster.cli.report import Report
from metaapps.filibuster.services import Deployment, Running

STATE: Final = Path(".filibuster")


class Standing:
    """Services that nobody here starts or watches. Safe in any thread.

    Where they are `watched`, `death` tells of them.
    """

    watched = False

    def __init__(self, environment: Mapping[str, str], key: str) -> None:
        """`environment` says where the services are, `key` is the run's key."""
        self._environment = environment
        self.key = key

    @property
    def environment(self) -> Mapping[str, str]:
        """What tells tests where the services are."""
        return self._environment

    def death(self) -> str | None:
        """Say which services ended by themselves, and how, since they were started."""
        return None

    def restart(self) -> None:
        """Start the services afresh; they may be elsewhere then."""


class Started(Standing):
    """Services that this run starts, and ends by `stop`."""

    watched = True

    def __init__(self, deployment: Deployment, key: str, logs: Path, report: Report) -> None:
        """Start them. Raises ServicesError where they can't be."""
        self._deployment = deployment
        self._logs = logs
        self._report = report
        self._lock = Lock()
        self._starts = count(1)
        self._running = self._start(key)
        super().__init__(self._running.environment, key)

    @property
    def environment(self) -> Mapping[str, str]:
        return self._running.environment

    def death(self) -> str | None:
        with self._lock:
            ended = self._running.ended()
        return (
            ", ".join(f"service {name!r} ended with {how}" for name, how in ended.items()) or None
        )

    def restart(self) -> None:
        with self._lock:
            self._running.stop()
            self._running = self._start(self.key)

    def stop(self) -> None:
        """End the services."""
        with self._lock:
            self._running.stop()

    def _start(self, key: str) -> Running:
        number = next(self._starts)
        # The last words of those that ended stay where they are.
        logs = self._logs if number == 1 else self._logs / f"start-{number}"
        started = time.perf_counter()
        running = deployments.start(self._deployment, key, logs)
        self._report.started(running.environment, time.perf_counter() - started, logs)
        return running


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
        return Standing(here.environment, here.key)
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
