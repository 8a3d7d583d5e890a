"""What is about to cross a boundary, in no library's terms.

Holds the values that describe a crossing before it happens. What came of it is in `outcome`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any, Final


class Kind(Enum):
    """The six ways to pass a boundary, in pairs: the first departs, the second arrives."""

    CLIENT = "client"
    SERVER = "server"
    PRODUCER = "producer"
    CONSUMER = "consumer"
    SPAWN = "spawn"
    RUN = "run"

    # Members are alone of their kind; Enum would hash their names, at every crossing.
    __hash__ = object.__hash__

    @property
    def departs(self) -> bool:
        """Whether the crossing leaves the current branch (and so opens no scope)."""
        return self in _DEPARTURES


_DEPARTURES: Final = frozenset({Kind.CLIENT, Kind.PRODUCER, Kind.SPAWN})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a departure goes, or where an arrival came from; `port` 0 is an unknown one."""

    host: str
    port: int = 0

    def __str__(self) -> str:
        return f"{self.host}:{self.port}" if self.port else self.host


@dataclass(frozen=True, slots=True)
class CallSite:
    """Where in the application a crossing starts.

    `module` and `function` are stable across machines, checkouts and edits elsewhere in the file;
    a script run as `__main__` counts under its file's stem. `line` and `file`, a path on this
    machine, are for people: they take no part in comparisons.
    """

    module: str
    function: str
    line: int = field(default=0, compare=False)
    file: str = field(default="", compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.module}.{self.function}:{self.line}"


UNKNOWN_SITE: Final = CallSite("?", "?")

_EMPTY: Final[MappingProxyType[str, Any]] = MappingProxyType({})


def nothing() -> Mapping[str, Any]:
    """Return the empty mapping that nobody can write to: a default for fields."""
    return _EMPTY


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One crossing that is about to happen.

    `operation` names what is asked without saying where ("GET /users", "/pkg.Service/Method"), so
    that it is the same on every machine. `payload` is a digest of what the callee will read (path,
    query, body; never headers), or None where the library streams it. `timeout` is in seconds, None
    where the caller set none. `source` is the service that crosses. `arrived` shows the foreign
    headers of an arrival by lower-case name, several of one name joined by ",", and is empty for a
    departure. `endpoint` is the other side's address; `local` is the address of this process that
    was arrived at, None for a departure, and where the library can't tell.
    """

    kind: Kind
    library: str
    operation: str
    method: str = ""
    arguments: Mapping[str, object] = field(default_factory=nothing)
    endpoint: Endpoint | None = None
    timeout: float | None = None
    payload: bytes | None = None
    source: str = ""
    target: str = ""
    site: CallSite = UNKNOWN_SITE
    arrived: Mapping[str, str] = field(default_factory=nothing)
    local: Endpoint | None = None

    def placed(self, source: str, target: str, site: CallSite) -> Call:
        """Fill in what the driver knows of a call that nobody else has seen yet; return it."""
        fill = object.__setattr__  # To make another one would cost as much as all of a flow.
        fill(self, "source", source)
        fill(self, "target", target)
        fill(self, "site", site)
        return self
