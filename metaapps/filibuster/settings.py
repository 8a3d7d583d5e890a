"""The one place where this package reads environment variables.

What the values mean is said where they are used; nothing else reads `os.environ`.
"""

from __future__ import annotations

import os


def parent_environment() -> dict[str, str]:
    """Return a copy of this process's environment, for the processes that it starts."""
    return dict(os.environ)
