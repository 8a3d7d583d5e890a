"""The one place where this package reads environment variables.

What the values mean is said where they are used; nothing else reads `os.environ`.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path


def parent_environment() -> dict[str, str]:
    """Return a copy of this process's environment, for the processes that it starts."""
    return dict(os.environ)


def service_key() -> bytes | None:
    """Return the run's key that a service was given, None if it was given none."""
    return os.environ.get("FILIBUSTER_KEY", "").encode() or None


def coverage_directory() -> Path | None:
    """Return where this service's coverage is recorded, None if it isn't."""
    directory = os.environ.get("FILIBUSTER_COVERAGE")
    return Path(directory) if directory else None


def server_url() -> str:
    """Return where the original's protocol is served, "" where nothing says so."""
    return "" if communication_disabled() else os.environ.get("FILIBUSTER_URL", "")


def inherited_baggage() -> str:
    """Return the value of the baggage header that this process was started with, "" for none."""
    return os.environ.get("BAGGAGE", "")


def adopt(environment: Mapping[str, str]) -> None:
    """Make this process's environment the one that a functional test shall see."""
    os.environ.update(environment)


class NoLocalKey(Exception):
    """The key that one user's processes share can't be kept: one line that says why."""


def local_key() -> bytes:
    """Return the key that this user's processes on this machine share; made at first use.

    It lets services and explorer that one person starts by hand find together without ceremony,
    and lets nobody in who can't read that person's files. Raises NoLocalKey where it can't be kept.
    """
    try:
        state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        path = Path(state) / "filibuster" / "key"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _create(path, secrets.token_hex(16).encode())
        key = path.read_bytes()
    except (OSError, RuntimeError) as error:
        raise NoLocalKey(f"no local key can be kept ({error}): set FILIBUSTER_KEY") from error
    if not key:
        raise NoLocalKey(f"{path} is empty: remove it, or set FILIBUSTER_KEY")
    return key


def _create(path: Path, content: bytes) -> None:
    """Create a file at once with its content, readable by its owner; leave one that is there."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    with suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()


def instrumentation_disabled() -> bool:
    """Say whether the original's switch forbids instrumentation."""
    return bool(os.environ.get("DISABLE_INSTRUMENTATION"))


def communication_disabled() -> bool:
    """Say whether the original's switch forbids to ask servers, and to report to them."""
    return bool(os.environ.get("DISABLE_SERVER_COMMUNICATION"))
