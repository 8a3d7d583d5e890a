"""Fuzz one decoder, or all of them, guided by coverage of our code: see README.md.

Belongs here: how atheris is started. Does not: what a decoder promises (`tests/wire/decoders.py`).
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[1]))
with atheris.instrument_imports(include=["baggage"]):
    from tests.wire.decoders import DECODERS

_NAMES = tuple(DECODERS)


def main(arguments: list[str]) -> None:
    """Fuzz the decoder that is named first, or the one that the first byte of each input names."""
    program, chosen, *options = arguments
    if chosen != "all" and chosen not in DECODERS:
        sys.exit(f"no decoder is called {chosen!r}; there are: all, {', '.join(_NAMES)}")
    logging.disable()

    def one(blob: bytes) -> None:
        if chosen != "all":
            DECODERS[chosen](blob)
        elif blob:
            DECODERS[_NAMES[blob[0] % len(_NAMES)]](blob[1:])

    atheris.Setup([program, *options], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv if len(sys.argv) > 1 else [*sys.argv, "all"])
