"""Print how often random programs with each fault give which findings: `rates.py [programs]`."""

from __future__ import annotations

import logging
import sys
from collections import Counter

from tests.auditing.lent_programs import LENT_FAULTS, LentProgram
from tests.auditing.programs import FAULTS, Program


def main(programs: int) -> None:
    logging.disable(logging.CRITICAL)
    for make, faults in ((Program, FAULTS), (LentProgram, LENT_FAULTS)):
        for fault in ("none", *faults):
            print(f"{make.__name__:12} {fault:22} {rates(make, fault, programs)}")  # noqa: T201


def rates(make: type[Program], fault: str, programs: int) -> str:
    found: Counter[str] = Counter()
    for seed in range(programs):
        program = make(seed, fault)
        program.run()
        found.update({"any": 1} if program.problems else {})
        found.update(program.problems)
    shares = [f"{problem} {count / programs:.1%}" for problem, count in found.most_common()]
    return ", ".join(shares) or "nothing"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
