"""Baggage as immutable values."""

from baggage.values.keys import Bag, Direction, Key, Last, Type, Value, key

__all__ = ["Bag", "Direction", "Key", "Last", "Type", "Value", "key"]
