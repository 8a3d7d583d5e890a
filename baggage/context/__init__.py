"""The current baggage, and who owns it."""

from baggage.context.branch import Branch
from baggage.context.overrides import override
from baggage.context.running import (
    attached,
    branch,
    branch_in,
    current,
    ensure,
    enter,
    leave,
    serving,
    suppressed,
)
from baggage.context.verbs import (
    deserialize,
    fields,
    join,
    pack,
    remove,
    serialize,
    set,
    split,
    unpack,
)
from baggage.context.watch import Joining, Watch

__all__ = [
    "Branch",
    "Joining",
    "Watch",
    "attached",
    "branch",
    "branch_in",
    "current",
    "deserialize",
    "ensure",
    "enter",
    "fields",
    "join",
    "leave",
    "override",
    "pack",
    "remove",
    "serialize",
    "serving",
    "set",
    "split",
    "suppressed",
    "unpack",
]
