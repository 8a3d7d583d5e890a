"""Orders: a fault plan for one execution, as services receive it, and who is believed.

Orders travel in the baggage, so a service decides about each of its calls by itself. It follows
only what is signed with a key that it was given, and not beyond its time.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from baggage.values import Direction, Key
from metaapps.filibuster.plan import FAULT_FREE, Plan

ORDERS: Final = Key("filibuster.orders", direction=Direction.DOWN, priority=0)
LINEAGE: Final = Key("filibuster.lineage", direction=Direction.DOWN, priority=0)
FOREIGN: Final = Key("filibuster.foreign", direction=Direction.DOWN, priority=0)
SEEN: Final = Key("filibuster.seen", direction=Direction.HOME, priority=50)


@dataclass(frozen=True, slots=True)
class Orders:
    """What services shall do in one execution.

    `expires` is in seconds since 1970. `coordinator` is "host:port", where `token` is asked for.
    `by_payload` makes a call's content a part of its execution index. `real_latency` says that
    delays are waited for; else they are only reckoned with.
    """

    execution: str
    plan: Plan = FAULT_FREE
    expires: int = 0
    coordinator: str = ""
    token: str = ""
    by_payload: bool = False
    real_latency: bool = False


def sign(message: bytes, key: bytes) -> bytes:
    """Return the signature of a message under a key."""
    return hmac.digest(key, message, sha256)


def is_signed(message: bytes, signature: bytes, keys: Sequence[bytes]) -> bool:
    """Say whether one of the keys signed a message, in time that tells nothing of the keys."""
    matches = [hmac.compare_digest(sign(message, key), signature) for key in keys]
    return any(matches)
