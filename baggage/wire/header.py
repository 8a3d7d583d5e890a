"""The W3C `baggage` header: one member of ours beside foreign ones.

Foreign members pass through as they came, with properties, percent signs, order, and white space
inside. See https://www.w3.org/TR/baggage/ for the grammar; the limits are the ones that it names.
What the grammar does not allow is not passed on, as the standard permits: there are readers that
refuse a whole header, ours included, for one such member.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Collection
from typing import Final

from baggage.wire.messages import WireError

NAME: Final = "baggage"
MEMBER: Final = "causal"
MAX_MEMBERS: Final = 64
MAX_HEADER: Final = 8192
# aiohttp and gunicorn refuse longer values, gRPC refuses metadata in all at random from 8 KiB on.
SAFE_HEADER: Final = 7680
_PREFIX: Final = f"{MEMBER}="
_TO_URL: Final = bytes.maketrans(b"+/", b"-_")
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
# What the last letter may be, by how many bytes are left over.
_LAST: Final = (frozenset(_LETTERS), frozenset(_LETTERS[::16]), frozenset(_LETTERS[::4]))
_PADDING: Final = (b"", b"===", b"==", b"=")
# What is no letter of base64url becomes what is none of base64 either.
_FROM_URL: Final = bytes.maketrans(b"-_+/=", b"+/!!!")
# Nobody but us, as is usual; anything else is looked at member by member.
_ALONE: Final = re.compile(_PREFIX + r"([^,; \t%]*)")
# The grammar's own words. No part gives back what it took, so that a match takes linear time.
_OWS, _TOKEN, _VALUE = r"[ \t]*+", r"[!#$%&'*+.^_`|~0-9A-Za-z-]++", r"[!#-+\--:<-\[\]-~]*+"
_PAIR: Final = f"{_TOKEN}{_OWS}={_OWS}{_VALUE}"
_MEMBER: Final = re.compile(f"{_PAIR}(?:{_OWS};{_OWS}(?:{_PAIR}|{_TOKEN}))*+")
_ENCODED: Final = re.compile("%([0-9A-Fa-f]{2})")


def split_members(header: str) -> tuple[str | None, tuple[str, ...]]:
    """Return the value of our member (None without one) and the foreign members.

    Without what `members` says is lost. Ours comes without its properties, and decoded: there are
    services that encode anew whatever they forward.
    """
    ours, foreign, _ = members(header)
    return ours, foreign


def members(header: str) -> tuple[str | None, tuple[str, ...], int]:
    """Return what `split_members` does, and how many foreign members are lost.

    Those are what is no member by the grammar, and, of a header over the limits of the standard,
    members from its end. Empty members don't count. Of several members of ours the first counts.
    """
    alone = _ALONE.fullmatch(header)
    if alone is not None:
        return alone[1], (), 0
    ours: str | None = None
    foreign: list[str] = []
    lost, room = 0, MAX_HEADER + 1
    for part in header.split(","):
        member = part.strip(" \t")
        name, equals, value = member.partition("=")
        if equals and name.rstrip(" \t") == MEMBER:
            ours = _decoded(value) if ours is None else ours
        elif member:
            sendable = _MEMBER.fullmatch(member) is not None
            room -= (len(member) + 1) * sendable
            if sendable and room >= 0 and len(foreign) < MAX_MEMBERS:
                foreign.append(member)
            else:
                lost += 1
    return ours, tuple(foreign), lost


def without_ours(header: str) -> str:
    """Return a header as it would be without our member: all others as they are, "" for none."""
    return ",".join(part for part in header.split(",") if part.partition("=")[0].strip() != MEMBER)


def _decoded(value: str) -> str:
    """Return the value of a member, without properties, some of which may be encoded into it."""
    decoded = _ENCODED.sub(lambda match: chr(int(match[1], 16)), value.partition(";")[0])
    return decoded.partition(";")[0].strip(" \t")


def compose(ours: str | None, foreign: Collection[str]) -> str:
    """Return the header's value, foreign members first; "" where there is nothing to send."""
    if not foreign and ours is not None:
        return _PREFIX + ours
    return ",".join([*foreign, *(() if ours is None else (_PREFIX + ours,))])


def armour(blob: bytes) -> str:
    """Return bytes in the alphabet of header values (base64url without padding)."""
    encoded = binascii.b2a_base64(blob, newline=False)
    return encoded.translate(_TO_URL).rstrip(b"=").decode("ascii")


def unarmour(text: str) -> bytes:
    """Undo `armour`. Raises WireError for anything that `armour` can't have written."""
    try:
        padded = text.encode("ascii").translate(_FROM_URL) + _PADDING[len(text) % 4]
        blob = binascii.a2b_base64(padded, strict_mode=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise WireError("not base64url") from error
    # The last bytes may leave bits over, which `armour` writes as zeros.
    if text and text[-1] not in _LAST[len(blob) % 3]:
        raise WireError("not base64url in its only form")
    return blob


def room_for(foreign: Collection[str], budget: int) -> int:
    """Return how many bytes our message may have; 0 where the others leave no room for a member.

    The member, with its name, takes at most `budget` bytes, and no more than is safe in a header
    with these others. (OpenTelemetry drops members longer than 4,096 bytes.)
    """
    if not foreign and budget <= SAFE_HEADER:
        return max(0, budget - len(_PREFIX)) * 3 // 4
    if len(foreign) >= MAX_MEMBERS:
        return 0
    safe = SAFE_HEADER - sum(len(member) + 1 for member in foreign)
    return max(0, min(budget, safe) - len(_PREFIX)) * 3 // 4
