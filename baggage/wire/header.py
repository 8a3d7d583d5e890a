"""The W3C `baggage` header: one member of ours beside foreign ones.

Foreign members pass through as they came, properties, order and white space inside included. See
https://www.w3.org/TR/baggage/ for the grammar; the limits are the ones that it names.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from typing import Final

from baggage.wire.messages import WireError

NAME: Final = "baggage"
MEMBER: Final = "causal"
MAX_MEMBERS: Final = 64
MAX_HEADER: Final = 8192
# aiohttp and gunicorn refuse longer values, gRPC refuses metadata in all at random from 8 KiB on.
SAFE_HEADER: Final = 7680


def split_members(header: str) -> tuple[str | None, tuple[str, ...]]:
    """Return the value of our member (None without one) and the foreign members.

    A header over the limits of the standard loses its foreign members from the end. Of several
    members of ours the first counts.
    """
    ours: str | None = None
    foreign: list[str] = []
    room = MAX_HEADER
    for part in header.split(","):
        member = part.strip(" \t")
        name, equals, value = member.partition("=")
        if equals and name.rstrip(" \t") == MEMBER:
            ours = value.partition(";")[0].strip(" \t") if ours is None else ours
        elif member and len(foreign) < MAX_MEMBERS - 1 and len(member) + 1 <= room:
            foreign.append(member)
            room -= len(member) + 1
    return ours, tuple(foreign)


def compose(ours: str | None, foreign: Iterable[str]) -> str:
    """Return the header's value, foreign members first; "" where there is nothing to send."""
    members = list(foreign)
    if ours is not None:
        members.append(f"{MEMBER}={ours}")
    return ",".join(members)


def armour(blob: bytes) -> str:
    """Return bytes in the alphabet of header values (base64url without padding)."""
    return urlsafe_b64encode(blob).rstrip(b"=").decode("ascii")


def unarmour(text: str) -> bytes:
    """Undo `armour`. Raises WireError for anything that `armour` can't have written."""
    try:
        encoded = text.encode("ascii")
        blob = urlsafe_b64decode(encoded + b"=" * (-len(encoded) % 4))
    except (UnicodeEncodeError, binascii.Error) as error:
        raise WireError("not base64url") from error
    if armour(blob) != text:
        raise WireError("not base64url in its only form")
    return blob


def room_for(foreign: Iterable[str], budget: int) -> int:
    """Return how many bytes our message may have beside these members, within `budget` bytes."""
    taken = sum(len(member) + 1 for member in foreign) + len(MEMBER) + 1
    return max(0, min(budget, SAFE_HEADER - taken) * 3 // 4)
