"""Baggage as immutable values."""

from baggage.values.baggage import EMPTY, Baggage, receive
from baggage.values.budget import Fitted, fit, in_full
from baggage.values.errors import BaggageError
from baggage.values.keys import Bag, Direction, Key, Last, Type, Value, check_down, key

__all__ = [
    "EMPTY",
    "Bag",
    "Baggage",
    "BaggageError",
    "Direction",
    "Fitted",
    "Key",
    "Last",
    "Type",
    "Value",
    "check_down",
    "fit",
    "in_full",
    "key",
    "receive",
]
