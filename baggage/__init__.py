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
    suppressed,
    unpack,
)
from baggage.runtime import (
    Envelope,
    Kept,
    asgi,
    audit,
    enclose,
    instrument,
    keep,
    opened,
    register,
    request_scope,
    split,
    stepwise,
    uninstrument,
    unregister,
    wsgi,
)
from baggage.values import Bag, Baggage, BaggageError, Direction, Key, Last, Type, Value, key

__all__ = [
    "Bag",
    "Baggage",
    "BaggageError",
    "Branch",
    "Direction",
    "Envelope",
    "Kept",
    "Key",
    "Last",
    "Type",
    "Value",
    "asgi",
    "attached",
    "audit",
    "current",
    "deserialize",
    "enclose",
    "instrument",
    "join",
    "keep",
    "key",
    "opened",
    "pack",
    "register",
    "remove",
    "request_scope",
    "serialize",
    "split",
    "stepwise",
    "suppressed",
    "uninstrument",
    "unpack",
    "unregister",
    "wsgi",
]
__version__ = "0.1.0"
