"""The one error of this package.

Belongs here: `ClockError`. Does not: what callers do about it, such as starting a new root.
"""

from __future__ import annotations


class ClockError(ValueError):
    """Bytes that encode no tree within the limits, or a tree that can't do what was asked."""
