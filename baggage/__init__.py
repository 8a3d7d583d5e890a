"""Causal context that follows execution, in any library, for any tool.

The verbs act on the current baggage; `Baggage` is the immutable value itself, `key` declares how
values merge and which way they travel. `instrument()` makes libraries carry baggage, `register()`
adds a tool that gives it meaning; `enclose` and `opened` are for channels of your own.
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
from baggage.runtime import (
    Envelope,
    asgi,
    enclose,
    instrument,
    opened,
    register,
    uninstrument,
    unregister,
)
from baggage.values import Bag, Baggage, BaggageError, Direction, Key, Last, Type, Value, key

__all__ = [
    "Bag",
    "Baggage",
    "BaggageError",
    "Branch",
    "Direction",
    "Envelope",
    "Key",
    "Last",
    "Type",
    "Value",
    "asgi",
    "attached",
    "current",
    "deserialize",
    "enclose",
    "instrument",
    "join",
    "key",
    "opened",
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
