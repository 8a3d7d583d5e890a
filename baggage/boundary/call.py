"""What is about to cross a boundary, in no library's terms.

Holds the values that describe a crossing before it happens. What came of it is in `outcome`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any, Final, TypeAlias

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


@named
class Call:
    """One crossing that is about to happen.

    `operation` names what is asked without saying where ("GET /users", "/pkg.Service/Method"), so
    that it is the same on every machine. `payload` is a digest of what the callee will read (path,
    query, body; never headers), or None where the library streams it. `timeout` is in seconds, None
    where the caller set none. `source` is the service that crosses. `arrived` shows the foreign
    headers of an arrival by lower-case name, several of one name joined by ",", and is empty for a
    departure. `endpoint` is the other side's address; `local` is the address of this process that
    was arrived at, None for a departure, and where the library can't tell. `delivery` is how often
    a message was delivered by now, as its broker counts, from 1; 0 where it doesn't say. `brokered`
    says that a broker has the message on its way: perhaps nobody takes it, or several do. `batched`
    says that whoever takes it takes others with it, to work on all of them at once. `resumed` says
    that somebody took it before and was lost, and that what is left to do is done here.

    Some of this is found out when it's first read: read it in the flow, while the request is there.
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
    delivery: int = 0
    brokered: bool = False
    batched: bool = False
    resumed: bool = False

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
        call.source, call.target, call.site = "", "", site
        call.brokered = call.batched = False
        call._asked, call._tellers = asked, tellers
        told: Call = call
        return told

    def placed(self, source: str, target: str, site: CallSite) -> Call:
        """Fill in what the driver knows of a call that nobody else has seen yet; return it."""
        call: Any = self  # To make another one would cost as much as all of a flow.
        call.source, call.target, call.site = source, target, site
        return self

    def but(self, **fields: Any) -> Call:
        """Return a call like this one but for some fields; what is yet to be found out still is."""
        call: Any = Call.__new__(Call)
        vars(call).update(vars(self), **fields)
        told: Call = call
        return told

    def by_broker(self) -> Call:
        """Note, as `placed` does, that a broker has the message on its way."""
        call: Any = self
        call.brokered = True
        return self


class _Told:
    """A field of a call that is found out when it's first read, and is the call's own from then on.

    Any other call has the field from the beginning, so that nobody gets here.
    """

    __slots__ = ("_default", "_name")

    def __init__(self, name: str, default: object) -> None:
        self._name, self._default = name, default

    def __get__(self, call: Any, owner: type[Call]) -> Any:
        if call is None:
            return self._default
        tell, found = call._tellers.get(self._name), self._default
        if tell is not None:
            try:
                found = tell(call._asked)
            except Exception:  # noqa: BLE001 - the flow that reads it is not to blame
                _log.exception("call not told", extra={"field": self._name})
        setattr(call, self._name, found)
        return found


def _tell_later(**defaults: object) -> None:
    for name, default in defaults.items():
        setattr(Call, name, _Told(name, default))


_tell_later(
    method="",
    arguments=_EMPTY,
    endpoint=None,
    timeout=None,
    payload=None,
    arrived=_EMPTY,
    local=None,
    delivery=0,
    resumed=False,
)
