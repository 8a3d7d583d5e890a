"""What tracing systems tell one another along a trace: the value of `tracestate`.

Follows https://www.w3.org/TR/trace-context-2/#tracestate-header. Members are never looked into, and
none is added: they are passed on.
"""

from __future__ import annotations

import re
from typing import Final

MEMBERS: Final = 32
"""A list of more is refused."""

LENGTH: Final = 512
"""So many characters are passed on at most, as the specification asks for at least."""

_LARGE: Final = 128
_MEMBER: Final = re.compile(
    r"([a-z0-9][a-z0-9_\-*/@]{0,255})"
    r"=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
)


def read(value: str) -> str:
    """Return the list that is to be passed on, "" for one that breaks the grammar.

    Empty members and the space around members are left out, and of members with one key all but the
    first, which is the latest. What doesn't fit `LENGTH` is cut by whole members.
    """
    members: dict[str, str] = {}
    count = 0
    for part in value.split(","):
        member = part.strip(" \t")
        if not member:
            continue
        count += 1
        match = _MEMBER.fullmatch(member)
        if match is None or count > MEMBERS:
            return ""
        members.setdefault(match[1], member)
    return _cut(list(members.values()))


def _cut(members: list[str]) -> str:
    """Join members, without large ones from the end, then any from the end, until they fit."""
    for least in (_LARGE, 0):
        for place in reversed(range(len(members))):
            if sum(map(len, members)) + len(members) - 1 <= LENGTH:
                return ",".join(members)
            if len(members[place]) > least:
                del members[place]
    return ",".join(members)
