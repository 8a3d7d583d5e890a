#!/usr/bin/env python
"""Fuzz one decoder, or all of them, guided by coverage of our code: see README.md.

Belongs here: how atheris is started. Does not: what a decoder promises (`tests/wire/decoders.py`).
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[1]))
with atheris.instrument_imports(include=["baggage", "metaapps"]):
    from tests.wire.decoders import DECODERS

_NAMES = tuple(DECODERS)
_OPTION = "--decoder="


def chosen(arguments: list[str]) -> str:
    """Return the name of the decoder that is to be fuzzed, "" for all.

    It is an option that libFuzzer passes over, because it starts itself again with its arguments.
    """
    names = [each.removeprefix(_OPTION) for each in arguments if each.startswith(_OPTION)]
    if names and names[-1] not in DECODERS:
        sys.exit(f"no decoder is called {names[-1]!r}; there are {', '.join(_NAMES)}")
    return names[-1] if names else ""


def main(arguments: list[str]) -> None:
    """Fuzz a decoder; without a name the one that the first byte of each input stands for."""
    name = chosen(arguments)
    logging.disable()

    def one(blob: bytes) -> None:
        if name:
            DECODERS[name](blob)
        elif blob:
            DECODERS[_NAMES[blob[0] % len(_NAMES)]](blob[1:])

    atheris.Setup(arguments, one)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)
