"""Values that go one way: down to callees, or home to the caller. They have no history.

Belongs here: what is kept of them, and how `home` values of one key are told apart and united.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeAlias

from baggage.values.keys import Value
from baggage.wire import DEFAULT_PRIORITY, Carried


class Gathered(NamedTuple):
    """The set of values of a `home` key, by digest."""

    by_digest: Mapping[bytes, Value]
    priority: int = DEFAULT_PRIORITY


Down: TypeAlias = Mapping[str, Carried]
Home: TypeAlias = Mapping[str, Gathered]

NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


def digest_of(value: Value) -> bytes:
    """Return what tells values of a `home` key apart: equal values of equal type count once."""
    import hashlib  # here: it loads OpenSSL, which nothing else needs

    raw = value if isinstance(value, bytes) else repr(value).encode()
    return hashlib.blake2b(raw, digest_size=8, person=type(value).__name__.encode()).digest()


def united(a: Gathered, b: Gathered) -> Gathered:
    """Return the values of both."""
    return Gathered({**a.by_digest, **b.by_digest}, min(a.priority, b.priority))


def without(name: str, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return these values without those of one key."""
    if name not in values:
        return values
    return {other: value for other, value in values.items() if other != name}


def bereft(name: str, home: Home, value: Value) -> Home:
    """Return `home` values without one value of one key."""
    held, digest = home.get(name), digest_of(value)
    if held is None or digest not in held.by_digest:
        return home
    kept = {each: other for each, other in held.by_digest.items() if each != digest}
    return {**home, name: Gathered(kept, held.priority)} if kept else without(name, home)
