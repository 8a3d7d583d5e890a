"""A process that the doctor starts: `python -m baggage.doctor.child FILE census|trial …`.

It writes what it found into a file, as JSON: what is said on its outputs is others' business.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from baggage.doctor.census import take
from baggage.doctor.probes.probe import Peers
from baggage.doctor.trial import attempt


def main(arguments: Sequence[str]) -> None:
    """Do as is said: a trial is of a library, with the addresses of peers."""
    file, what, *rest = arguments
    answer = take().to_json() if what == "census" else attempt(rest[0], Peers(*rest[1:])).to_json()
    Path(file).write_text(json.dumps(answer), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
