"""Keep the inputs of one decoder in a file, or make the folder of it that atheris takes.

Belongs here: files. Does not: which inputs are worth keeping, which `-set_cover_merge=1` says.
"""

from __future__ import annotations

import sys
from base64 import b64decode, b64encode
from pathlib import Path

CORPUS = Path(__file__).parents[1] / "tests/wire/corpus"


def pack(decoder: str, folder: Path) -> None:
    """Write the inputs in a folder to the decoder's file, a line for each, short ones first."""
    inputs = sorted(
        {path.read_bytes() for path in folder.iterdir()}, key=lambda each: (len(each), each)
    )
    lines = [b64encode(each).decode() + "\n" for each in inputs]
    (CORPUS / f"{decoder}.txt").write_text("".join(lines))


def unpack(decoder: str, folder: Path) -> None:
    """Write each line of the decoder's file to a file of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, line in enumerate((CORPUS / f"{decoder}.txt").read_text().splitlines()):
        (folder / f"{number:04}").write_bytes(b64decode(line))


if __name__ == "__main__":
    verb, decoder, folder = sys.argv[1:]
    {"pack": pack, "unpack": unpack}[verb](decoder, Path(folder))
