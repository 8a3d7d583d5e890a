"""Baggage as immutable values."""

from baggage.values.baggage import EMPTY, Baggage, receive
from baggage.values.budget import Fitted, fit, in_full
from baggage.values.errors import BaggageError
from baggage.values.garbage import dropped
from baggage.values.keys import (
    Bag,
    Count,
    Direction,
    Key,
    Last,
    Map,
    Max,
    Min,
    Set,
    Sum,
    Type,
    Value,
    check_down,
    key,
)

__all__ = [
    "EMPTY",
    "Bag",
    "Baggage",
    "BaggageError",
    "Count",
    "Direction",
    "Fitted",
    "Key",
    "Last",
    "Map",
    "Max",
    "Min",
    "Set",
    "Sum",
    "Type",
    "Value",
    "check_down",
    "dropped",
    "fit",
    "in_full",
    "key",
    "receive",
]
