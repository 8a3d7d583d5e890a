"""Services that outlive the command that started them, one deployment per directory.

What runs is written to `services.json` in that directory, which holds the run's key and so is for
its owner's eyes only. A file `services.lock` keeps concurrent commands apart.
"""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import signal
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from metaapps.filibuster.services.deployment import Deployment, ServicesError
from metaapps.filibuster.services.launch import READY_WITHIN, start
from metaapps.filibuster.services.process import Process, end
from metaapps.filibuster.services.supervisor import GRACE

_STATE: Final = "services.json"
_LOCK: Final = "services.lock"
LOGS: Final = "logs"
_END_WITHIN: Final = 2 * GRACE + 5.0
_STEP: Final = 0.01


@dataclass(frozen=True, slots=True)
class Detached:
    """Services that were started and left running. For the rest see `Running`."""

    supervisor: Process
    services: tuple[Process, ...]
    environment: Mapping[str, str]
    key: str = field(repr=False)

    @property
    def running(self) -> bool:
        """Whether any process is left."""
        return any(process.running for process in (self.supervisor, *self.services))

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Read what `write` wrote; None if nothing is there."""
        try:
            state = json.loads(path.read_bytes())
            supervisor = Process(**state.pop("supervisor"))
            services = tuple(Process(**process) for process in state.pop("services"))
            return cls(supervisor, services, **state)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ServicesError(f"cannot read {str(path)!r}: {error!r}") from error

    def write(self, path: Path) -> None:
        """Write this so that a reader finds either nothing or all of it."""
        partial = path.with_suffix(".partial")
        partial.unlink(missing_ok=True)
        fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(fd, "w", encoding="utf-8") as file:
            json.dump(dataclasses.asdict(self), file, indent=2)
        partial.replace(path)


def start_detached(
    deployment: Deployment, key: str, directory: Path | str, *, ready_within: float = READY_WITHIN
) -> Detached:
    """Start the services and leave them running; a ServicesError if this directory has some."""
    directory = Path(directory).absolute()
    directory.mkdir(parents=True, exist_ok=True)
    with _alone(directory):
        if _current(directory) is not None:
            raise ServicesError(f"services run already, says {str(directory / _STATE)!r}")
        running = start(deployment, key, directory / LOGS, ready_within=ready_within)
        try:
            services = Detached(
                running.supervisor, running.processes, dict(running.environment), key
            )
            services.write(directory / _STATE)
        except BaseException:
            running.stop()
            raise
        running.detach()
        return services


def status(directory: Path | str) -> Detached | None:
    """Return the services that were started from this directory and run; None if there are none."""
    directory = Path(directory).absolute()
    if not directory.is_dir():
        return None
    with _alone(directory):
        return _current(directory)


def stop_detached(directory: Path | str) -> Detached | None:
    """End the services that were started from this directory; return them, None if none ran."""
    directory = Path(directory).absolute()
    if not directory.is_dir():
        return None
    with _alone(directory):
        services = _current(directory)
        if services is not None:
            _end(services)
            (directory / _STATE).unlink(missing_ok=True)
        return services


@contextmanager
def _alone(directory: Path) -> Generator[None]:
    with (directory / _LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _current(directory: Path) -> Detached | None:
    """Read the state; forget it if all of its processes have ended."""
    services = Detached.read(directory / _STATE)
    if services is None or services.running:
        return services
    (directory / _STATE).unlink(missing_ok=True)
    return None


def _end(services: Detached) -> None:
    with suppress(ProcessLookupError):
        if services.supervisor.running:
            os.kill(services.supervisor.pid, signal.SIGTERM)
    until = time.monotonic() + _END_WITHIN
    while services.supervisor.running and time.monotonic() < until:
        time.sleep(_STEP)
    # Nothing is left to do here, unless the supervisor was killed before, or hangs.
    end((services.supervisor, *services.services))
