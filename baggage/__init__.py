"""Causal context that follows execution, in any library, for any tool.

The verbs act on the current baggage; `Baggage` is the immutable value itself, `key` declares how
values merge and which way they travel. `instrument()` makes libraries carry baggage, `register()`
adds a tool that gives it meaning.
"""

from baggage.context import (
    Branch,
    attached,
    current,
    deserialize,
    join,
    pack,
    remove,
    serialize,
    split,
    suppressed,
    unpack,
)
from baggage.runtime import asgi, instrument, register, uninstrument, unregister
from baggage.values import Bag, Baggage, BaggageError, Direction, Key, Last, Type, Value, key

__all__ = [
    "Bag",
    "Baggage",
    "BaggageError",
    "Branch",
    "Direction",
    "Key",
    "Last",
    "Type",
    "Value",
    "asgi",
    "attached",
    "current",
    "deserialize",
    "instrument",
    "join",
    "key",
    "pack",
    "register",
    "remove",
    "serialize",
    "split",
    "suppressed",
    "uninstrument",
    "unpack",
    "unregister",
]
__version__ = "0.1.0"
