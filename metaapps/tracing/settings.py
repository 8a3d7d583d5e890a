"""What the environment says about tracing: the only place that reads it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from metaapps.tracing.errors import SettingError

_YES: Final = frozenset({"1", "true", "yes", "on"})
_NO: Final = frozenset({"0", "false", "no", "off"})


@dataclass(frozen=True, slots=True)
class Settings:
    """How this process traces.

    `file` is where spans go (absolute); without it nothing is traced. With `share` a server's span
    has the id of the client's span that it answers; without, it is a child of that.
    """

    file: Path | None = None
    share: bool = True


def from_environment(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read `TRACING_FILE` and `TRACING_SHARE`; an empty variable counts as unset.

    Raises SettingError.
    """
    file = environ.get("TRACING_FILE")
    # Absolute at once: the application may change its working directory.
    path = Path(file).expanduser().absolute() if file else None
    return Settings(path, _flag(environ, "TRACING_SHARE", default=True))


def _flag(environ: Mapping[str, str], name: str, *, default: bool) -> bool:
    value = environ.get(name, "").strip()
    if not value:
        return default
    if value.lower() not in _YES | _NO:
        raise SettingError(f"{name} is {value!r}; set it to 1 or 0")
    return value.lower() in _YES
