"""`python -m benchmarks exploration`: what exploring costs, without the services' own work.

    python -m benchmarks exploration [choosing|memory|workers|tutorial …]

`choosing` and `memory` simulate an application, `workers` and `tutorial` run `filibuster run` on
real services. What injection costs at a call is in `orders`. CPU time counts but where it says
otherwise: read wall time on a quiet machine alone.
"""

from __future__ import annotations

import argparse
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import exploring
from metaapps.filibuster.reduce import Strength

SIZES: Final = (500, 1000, 5000)
EXECUTIONS: Final = 100_000
AT_ONCE: Final = (1, 4, 16)
_HERE: Final = Path(__file__).absolute().parent
_WAITING: Final = _HERE / "waiting"
_TUTORIAL: Final = _HERE.parent / "examples" / "tutorial"
_TIMES: Final = 5
_SAID: Final = re.compile(r"explored (\d+) of .*; ([\d.]+) (ms|s|min), ")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "min": 60.0}


def choosing() -> None:
    """Print what it takes to choose and to judge a plan, after so many of them."""
    print("CPU ms a plan, to choose and to judge it (of so many, so many ran)")
    for name in exploring.APPLICATIONS:
        for strength in Strength:
            cells = [
                f"{each.judged:5}: {each.seconds / each.judged * 1e3:.2f} ({each.ran})"
                for each in exploring.spent(name, strength, SIZES)
            ]
            print(f"  {name:40} {strength.value:8} {'   '.join(cells)}", flush=True)


def memory() -> None:
    """Print what an explorer holds after many executions."""
    code = f"from benchmarks.exploring import held; held({EXECUTIONS})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, peak, seconds = done.stdout.split()
    print(
        f"{EXECUTIONS:,} executions: {peak} MiB, of which {before} to begin with; {seconds} s CPU"
    )


@dataclass(frozen=True, slots=True)
class _Ended:
    """A run of the explorer: its executions, and what they took together, in seconds."""

    executions: int
    wall: float
    cpu: float


def _explored(directory: Path, *options: str) -> _Ended:
    """Run the explorer on a copy of an application."""
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(shutil.copytree(directory, Path(temporary) / directory.name))
        command = [sys.executable, "-m", "metaapps.filibuster.cli", "run"]
        before = _children()
        done = subprocess.run(
            [*command, "--services", "services.toml", *options],
            cwd=copy,
            capture_output=True,
            text=True,
            check=False,
        )
        said = _SAID.search(done.stdout)
        if said is None:
            raise SystemExit(f"the explorer did not come to an end:\n{done.stdout}{done.stderr}")
        wall = float(said[2]) * _SECONDS[said[3]]
        return _Ended(int(said[1]), wall, _children() - before)


def _children() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def workers() -> None:
    """Print how much faster several workers are, where ten calls wait for 20 ms each."""
    options = ("--functional-test", "test_front.py", "--reduction", "none")
    one = _explored(_WAITING, *options, "--max-executions", "1").cpu
    alone = 0.0
    for count in AT_ONCE:
        ended = _explored(_WAITING, *options, "--max-executions", "64", "--workers", str(count))
        each = ended.wall / ended.executions
        alone = alone or each
        cpu = (ended.cpu - one) / (ended.executions - 1)
        print(
            f"{count:3} workers: {each * 1e3:6.1f} ms an execution (wall),"
            f" {alone / each:4.1f} times as fast as one;"
            f" {cpu * 1e3:.1f} ms of CPU in all processes",
            flush=True,
        )


def tutorial() -> None:
    """Print what an execution of the tutorial takes, with its functional test and services."""
    test = ("--functional-test", "functional/test_foo_bar_baz.py")
    one = min(_explored(_TUTORIAL, *test, "--max-executions", "1").cpu for _ in range(_TIMES))
    runs = [_explored(_TUTORIAL, *test) for _ in range(_TIMES)]
    wall = min(run.wall / run.executions for run in runs)
    cpu = min((run.cpu - one) / (run.executions - 1) for run in runs)
    print(
        f"the tutorial: {wall * 1e3:.1f} ms an execution (wall), {cpu * 1e3:.1f} ms of CPU in all"
        f" processes; the least of {_TIMES} runs"
    )


PARTS: Final = {
    "choosing": choosing,
    "memory": memory,
    "workers": workers,
    "tutorial": tutorial,
}


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks exploration")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all by default")
    options = parser.parse_args(arguments)
    for name in options.parts or PARTS:
        PARTS[name]()
