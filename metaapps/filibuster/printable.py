"""Texts that services and tests wrote, as they may be printed on a terminal.

Only what steers it is left out; markup and HTML are the business of whoever writes those.
"""

from __future__ import annotations

import re
from typing import Final

# A terminal's control sequences, and characters: ECMA-48, sections 5.2 to 5.4.
_CONTROL: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    """Return a text without colours and the like; its lines and tabs stay."""
    return _CONTROL.sub("", text)
