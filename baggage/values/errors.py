"""The one error of this package.

Belongs here: `BaggageError`. Does not: what callers do about it.
"""

from __future__ import annotations


class BaggageError(ValueError):
    """A key or value that can't be packed, a verb that can't be done, or bytes of no baggage."""
