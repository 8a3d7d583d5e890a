"""The environment of this process: what it was told, and what it hands on to its children.

The only module of `baggage` that reads it. What the variables mean is said where they are parsed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping


def environment() -> Mapping[str, str]:
    """Return the environment variables, as they are at any moment."""
    return os.environ


def hand_on(name: str, value: str) -> None:
    """Set a variable for what this process starts from now on, and for itself."""
    os.environ[name] = value
