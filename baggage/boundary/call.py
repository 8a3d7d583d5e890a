"""What is about to cross a boundary, in no library's terms.

Holds the values that describe a crossing before it happens. What came of it is in `outcome`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from baggage.boundary.value import named

_log = logging.getLogger("baggage.boundary")


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


Tellers: TypeAlias = Mapping[str, Callable[[Any], Any]]
"""For fields of a call, what finds them out."""


class _Told:
    """What a call's fields are found out from, where they aren't known yet."""

    __slots__ = ("_from", "_tellers")


@named
class Call(_Told):
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

    @classmethod
    def told(
        cls,
        kind: Kind,
        library: str,
        operation: str,
        asked: Any,
        tellers: Tellers,
        site: CallSite = UNKNOWN_SITE,
    ) -> Call:
        """Return a call whose other fields are found out of `asked` when they are first read.

        `asked` holds what was so when the crossing began: whatever the application may change since
        then, but for the insides of a message, is to be taken out of its objects at once. A field
        without a teller has its default, as one whose teller fails.
        """
        call: Any = cls.__new__(cls)
        call.kind, call.library, call.operation = kind, library, operation
        call.target, call.site = "", site
        call._from, call._tellers = asked, tellers
        told: Call = call
        return told

    if not TYPE_CHECKING:  # else it would allow for any name

        def __getattr__(self, name: str) -> Any:
            """Find out a field that is not known yet."""
            if name not in _DEFAULTS:
                raise AttributeError(f"a call has no {name!r}")
            found = _DEFAULTS[name]
            tell = self._tellers.get(name)
            if tell is not None:
                try:
                    found = tell(self._from)
                except Exception:  # noqa: BLE001 - the flow that reads it is not to blame
                    _log.exception("call not told", extra={"field": name})
            setattr(self, name, found)
            return found

    def placed(self, source: str, target: str, site: CallSite) -> Call:
        """Fill in what the driver knows of a call that nobody else has seen yet; return it."""
        call: Any = self  # To make another one would cost as much as all of a flow.
        call.source, call.target, call.site = source, target, site
        return self


_DEFAULTS: Final[Mapping[str, Any]] = {
    "method": "",
    "arguments": _EMPTY,
    "endpoint": None,
    "timeout": None,
    "payload": None,
    "source": "",
    "arrived": _EMPTY,
    "local": None,
}
