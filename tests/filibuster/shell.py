"""Running `filibuster` as people do: in a directory, with an environment, as a process."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).absolute().parents[2]
EXAMPLES = ROOT / "examples"
BIN = Path(sys.executable).parent
FILIBUSTER = str(BIN / "filibuster")

_JUDGED = re.compile(
    r"^(?P<how>Execution \d+|Pruned|Initial execution|Replay)  (?P<plan>.*?)"
    r"  (?P<verdict>passed|FAILED)  ",
    re.MULTILINE,
)
_TOTALS = re.compile(
    r"^explored (\d+) of (\d+), (\d+) pruned, stopped because [^;]*; ", re.MULTILINE
)
# What the shell that runs the tests says must not decide what they see.
_OURS = ("BAGGAGE", "FILIBUSTER", "PYTEST", "TRACING", "XDG_", "FORCE_COLOR", "NO_COLOR")


class Judged(NamedTuple):
    """One plan, as the output tells of it."""

    how: str
    plan: str
    verdict: str


class Totals(NamedTuple):
    executions: int
    ran: int
    pruned: int
    remaining: int


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def judged(self) -> list[Judged]:
        return [Judged(**found.groupdict()) for found in _JUDGED.finditer(self.out)]

    @property
    def failed(self) -> list[str]:
        """The plans that were run and failed."""
        return [j.plan for j in self.judged if j.verdict == "FAILED" and j.how != "Pruned"]

    @property
    def pruned(self) -> list[str]:
        return [j.plan for j in self.judged if j.how == "Pruned"]

    @property
    def totals(self) -> Totals:
        found = _TOTALS.search(self.out)
        assert found is not None, self.out + self.err
        ran, known, pruned = map(int, found.groups())
        return Totals(ran + pruned, ran, pruned, known - ran - pruned)

    @property
    def indices(self) -> list[str]:
        return re.findall(r"  index ([0-9a-f]{12})\b", self.out)

    @property
    def calls(self) -> list[str]:
        """Who calls whom and what comes of it, line by line."""
        return re.findall(r"(\S+ → \S*  .*)$", self.out, re.MULTILINE)


@dataclass(frozen=True)
class Shell:
    """Where commands run."""

    directory: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def variables(self, **more: str) -> dict[str, str]:
        """Return the environment that commands get here."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(_OURS)}
        state = {"XDG_STATE_HOME": str(self.directory / "state")}
        path = os.pathsep.join([str(BIN), kept.get("PATH", os.defpath)])
        return {**kept, **state, "PATH": path, **self.environment, **more}

    def start(self, *command: str, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            cwd=self.directory,
            env=self.variables(**more),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *command: str, **more: str) -> Ended:
        with self.start(*command, **more) as process:
            out, err = process.communicate(timeout=300)
        return Ended(process.returncode, out, err)

    def filibuster(self, *arguments: str, **more: str) -> Ended:
        return self.run(FILIBUSTER, *arguments, **more)

    def exported(self, *options: str) -> str:
        """Return what a store holds, in the words that are the same everywhere."""
        ended = self.filibuster("export", *options)
        assert (ended.code, ended.err) == (0, "")
        return ended.out

    def write(self, name: str, text: str) -> str:
        """Write a file; return its name."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return name


def processes(directory: Path) -> list[int]:
    """Return the processes that run in a directory, or whose command line names one in it."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        try:
            line = (entry / "cmdline").read_bytes().decode(errors="replace")
            cwd = (entry / "cwd").readlink()
        except OSError:
            continue
        if f"{directory}/" in line or cwd == directory or directory in cwd.parents:
            found.append(int(entry.name))
    return found


def wait_until(condition: Callable[[], object]) -> None:
    until = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


def kill_all(directory: Path) -> None:
    """End whatever a failed test has left running in its directory."""
    for pid in processes(directory):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
