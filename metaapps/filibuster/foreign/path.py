"""Foreign execution indices: the paths of call sites that the original's protocol names calls by.

As text, a JSON list of pairs: a name that only its service understands, and a count. Names that we
give hold one of our own indices, in a form that every original implementation takes and returns.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from metaapps.filibuster.index import DIGEST_SIZE

MAX_TEXT: Final = 32 * 1024
MAX_DEPTH: Final = 100

# The original for Java takes a name apart at its hyphens, and wants six parts. No part may hold a
# comma.
_OURS: Final = re.compile(rf"V1-baggage-([0-9a-f]{{{2 * DIGEST_SIZE}}})-0-0-0")


@dataclass(frozen=True, slots=True)
class ForeignPath:
    """The call sites from the functional test to one call, each with a count from 1."""

    pairs: tuple[tuple[str, int], ...] = ()

    @property
    def enclosing(self) -> ForeignPath:
        """The path of the call that this one was made for; empty outside of any."""
        return ForeignPath(self.pairs[:-1])

    @property
    def ours(self) -> bytes | None:
        """Our index of the call that this path names, None for a call that only it can name."""
        found = _OURS.fullmatch(self.pairs[0][0]) if len(self.pairs) == 1 else None
        return None if found is None else bytes.fromhex(found[1])

    def pushed(self, index: bytes, count: int) -> ForeignPath:
        """Return the path of a call of ours within the call that this path names."""
        return ForeignPath((*self.pairs, (_name(index), count)))

    def digest(self) -> bytes:
        """Return what stands for this path where an index of ours is wanted."""
        return blake2b(str(self).encode(), digest_size=DIGEST_SIZE, person=b"foreign").digest()

    def __str__(self) -> str:
        # With these separators: the original for Java reads no others.
        return json.dumps(self.pairs)


def path_of(index: bytes) -> ForeignPath:
    """Return the path of a call that has an index of ours."""
    return ForeignPath(((_name(index), 1),))


def parse(text: object) -> ForeignPath | None:
    """Read a path, None if `text` is none."""
    if not isinstance(text, str) or len(text) > MAX_TEXT:
        return None
    try:
        pairs = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(pairs, list) or len(pairs) > MAX_DEPTH or not all(map(_is_pair, pairs)):
        return None
    return ForeignPath(tuple((name, count) for name, count in pairs))


def _name(index: bytes) -> str:
    return f"V1-baggage-{index.hex()}-0-0-0"


def _is_pair(pair: object) -> bool:
    return (
        isinstance(pair, list)
        and len(pair) == 2
        and isinstance(pair[0], str)
        and type(pair[1]) is int
    )
