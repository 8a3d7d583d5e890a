"""Running the examples as their READMEs say, and what these say of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

from tests.filibuster.conftest import Deployed
from tests.filibuster.shell import EXAMPLES, Ended, Shell, Totals

NO_REDUCTION = ("--reduction", "none")
AT_ONCE = ("--workers", "4")


class Row(NamedTuple):
    """What a README says that a run comes to."""

    executions: int
    ran: int
    pruned: int
    failed: int


def told(example: str, what: str) -> Row:
    """Return the row of an example's README that is about `what`."""
    for line in (EXAMPLES / example / "README.md").read_text().splitlines():
        first, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        if first == what and len(cells) == 4:
            return Row(*map(int, cells))
    raise AssertionError(f"{example}: no row for {what}")


def comes_to(ended: Ended, example: str, what: str) -> bool:
    """Say whether a run came to what the README says."""
    row = told(example, what)
    assert ended.totals == Totals(row.executions, row.ran, row.pruned, remaining=0)
    assert len(ended.failed) == row.failed
    return ended.code == (1 if row.failed else 0)


@dataclass(frozen=True)
class Example:
    """An example with an analysis file, in a directory of its own, and what it is run with."""

    name: str
    test: str
    shell: Shell
    deployed: Deployed

    def run(self, services: str, *options: str) -> Ended:
        """Explore the services of a file, all that can be, and return what became of it.

        One execution at a time is run, unless `options` say otherwise.
        """
        here = EXAMPLES / self.name
        there = Shell(self.shell.directory, self.deployed(here / services))
        arguments = (
            "run",
            *("--functional-test", str(here / "functional" / self.test)),
            *("--analysis-file", str(here / "analysis.json")),
            *(() if any(option.startswith("--max") for option in options) else ("--exhaustive",)),
        )
        return there.filibuster(*arguments, *options)

    def exported(self) -> str:
        """Return what the last run committed."""
        return self.shell.exported()


def plans(*calls: Iterable[str]) -> list[str]:
    """Return the plans that fail one of each `calls`; an empty text among them: or none of these.

    Each is told as filibuster tells it, but for the plan without any fault.
    """
    chosen = (filter(None, plan) for plan in product(*calls))
    return [" + ".join(plan) for plan in map(tuple, chosen) if plan]


def judged(ended: Ended) -> list[str]:
    """Return the plans that were judged after the one without faults, sorted."""
    first, *others = [one.plan for one in ended.judged]
    assert first == "no faults"
    return sorted(others)
