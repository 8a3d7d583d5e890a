"""Orders: a fault plan for one execution, as services receive it, and who is believed.

Orders travel in the baggage, so a service decides about each of its calls by itself. It follows
only what is signed with a key that it was given, and not beyond its time.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from baggage.boundary import FaultKind
from baggage.values import Direction, Key
from metaapps.filibuster.index import PREFIX_SIZE
from metaapps.filibuster.plan import FAULT_FREE, Plan, PlannedFault

ORDERS: Final = Key("filibuster.orders", direction=Direction.DOWN, priority=0)
LINEAGE: Final = Key("filibuster.lineage", direction=Direction.DOWN, priority=0)
FOREIGN: Final = Key("filibuster.foreign", direction=Direction.DOWN, priority=0)
WIDEST: Final = 3072
"""So many bytes of a header orders may take where they start out: lineages grow on the way."""
SEEN: Final = Key("filibuster.seen", direction=Direction.HOME, priority=50)


@dataclass(frozen=True, slots=True)
class Orders:
    """What services shall do in one execution.

    `expires` is in seconds since 1970. `coordinator` is "host:port". `by_payload` makes a call's
    content a part of its execution index. `real_latency` says that delays are waited for; else they
    are only reckoned with. `key` is the one that signed them, where they arrived.

    Of the indices in a plan only the first bytes travel, and no labels.
    """

    execution: str
    plan: Plan = FAULT_FREE
    expires: int = 0
    coordinator: str = ""
    by_payload: bool = False
    real_latency: bool = False
    key: bytes = field(default=b"", compare=False, repr=False)
    delays: bool = field(init=False, compare=False, repr=False)
    """Whether anything is planned to take longer."""
    _planned: Mapping[bytes, PlannedFault] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Make what is asked at every call quick to find."""
        planned = {each.index[:PREFIX_SIZE]: each for each in self.plan.faults}
        delays = any(each.fault.kind is FaultKind.DELAY for each in self.plan.faults)
        object.__setattr__(self, "_planned", planned)
        object.__setattr__(self, "delays", delays)

    def at(self, index: bytes) -> PlannedFault | None:
        """Return what is planned for a call or a message, None if it shall go through."""
        return self._planned.get(index[:PREFIX_SIZE])


def sign(message: bytes, key: bytes) -> bytes:
    """Return the signature of a message under a key."""
    return hmac.digest(key, message, sha256)


def signer(message: bytes, signature: bytes, keys: Sequence[bytes]) -> bytes | None:
    """Return the key that signed a message, None for none; in time that tells nothing of keys."""
    matches = [key for key in keys if hmac.compare_digest(sign(message, key), signature)]
    return matches[0] if matches else None
