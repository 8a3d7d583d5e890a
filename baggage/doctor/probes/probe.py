"""What a self-test does at one boundary, and what both sides of it see.

Belongs here: what is packed on one side and looked for on the other. Does not: how any library
crosses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from baggage.context import pack, unpack

THERE: Final = "baggage-doctor.there"
BACK: Final = "baggage-doctor.back"


class NotTried(Exception):
    """A boundary can't be crossed on this machine; the message says why."""


@dataclass(frozen=True, slots=True)
class Peers:
    """Where brokers are: their addresses, "" for those that aren't known."""

    redis: str = ""
    amqp: str = ""
    kafka: str = ""


@dataclass(frozen=True, slots=True)
class Probe:
    """One boundary's self-test.

    `cross` goes over the boundary, lets `behind` run there, and returns what that returned, by
    whatever means. `home` is whether what is packed there comes back. `also` are other libraries
    that have to be instrumented for it.
    """

    cross: Callable[[Peers], str]
    home: bool = True
    also: tuple[str, ...] = ()


def behind() -> str:
    """Say what is known behind the boundary, and pack it again; to be called there."""
    seen = ",".join(map(str, unpack(THERE)))
    pack(BACK, seen)
    return seen


def lost(probe: Probe, peers: Peers, token: str) -> str:
    """Cross with a token; return in one line what was lost, "" for nothing.

    Whatever the library raises passes through.
    """
    pack(THERE, token)
    seen = probe.cross(peers)
    if seen != token:
        arrived = f"{seen!r} was there instead" if seen else "nothing was there"
        return f"a value that was packed before the crossing did not arrive behind it: {arrived}"
    if probe.home and token not in unpack(BACK):
        return "a value that was packed behind the crossing did not come home"
    return ""
