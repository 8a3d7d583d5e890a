"""The tutorial's page is true: its commands, run in order, end and print as it says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.outside import pages

PAGE = "docs/tutorial.md"
TUTORIAL = pages.ROOT / "examples/tutorial"
LEFT_OVER = shutil.ignore_patterns(
    "__pycache__", ".filibuster", "counterexample.json", "analysis.json", "htmlcov"
)
OMITTED = "…"
_BLOCK = re.compile(r"^```console\n(.*?)^```\n+(?:Exit code (\d+))?", re.DOTALL | re.MULTILINE)
_VARIES = re.compile(r"(?<=127\.0\.0\.1:)\d+|(?<=pid )\d+|[\d.]+(?= (?:ms|s)\b)")


class Step(NamedTuple):
    """A command of the page, what the page says it prints, and the exit code it should end with."""

    command: str
    shown: str
    code: int


class Ran(NamedTuple):
    """What became of a command."""

    code: int
    printed: str


def read_steps() -> list[Step]:
    """Return the page's commands; a block's exit code is in the words after it, or else 0."""
    steps = []
    for text, code in _BLOCK.findall(pages.read(PAGE)):
        for each in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            command, _, shown = each.partition("\n")
            steps.append(Step(command, shown, int(code or 0)))
    return steps


STEPS = read_steps()


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Ran]]:
    """Walk through the page in a copy of the tutorial, and end what it started."""
    folder = tmp_path_factory.mktemp("tutorial") / "copy"
    shutil.copytree(TUTORIAL, folder, ignore=LEFT_OVER)
    try:
        yield [run(step.command, folder) for step in STEPS]
    finally:
        run("filibuster services stop", folder)


def run(command: str, folder: Path) -> Ran:
    """Run a line as someone would who has the virtual environment active."""
    told = ("BAGGAGE", "FILIBUSTER", "TRACING", "MAKE", "MFLAGS")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(told)}
    beside = str(Path(sys.executable).parent)
    path = os.pathsep.join([beside, os.environ.get("PATH", os.defpath)])
    ran = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env={**environment, "PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return Ran(ran.returncode, ran.stdout)


@pytest.mark.parametrize("number", range(len(STEPS)))
def test_a_command_ends_as_the_page_says(walked: list[Ran], number: int) -> None:
    assert walked[number].code == STEPS[number].code, walked[number].printed


@pytest.mark.parametrize("number", range(len(STEPS)))
def test_a_command_prints_what_the_page_shows(walked: list[Ran], number: int) -> None:
    parts = re.split(rf"^{OMITTED}\n", masked(STEPS[number].shown), flags=re.MULTILINE)
    pattern = "(?s:.*)".join(re.escape(part) for part in parts)
    assert re.fullmatch(pattern, masked(walked[number].printed)), walked[number].printed


def masked(text: str) -> str:
    """Return output without what is another in each run."""
    return _VARIES.sub("N", text)


def test_every_console_block_has_commands_that_were_found() -> None:
    commands = [line for text in pages.blocks(PAGE, "console") for line in text.splitlines()]
    assert [step.command for step in STEPS] == [
        line.removeprefix("$ ") for line in commands if line.startswith("$ ")
    ]


def test_links_lead_somewhere() -> None:
    folder = (pages.ROOT / PAGE).parent
    assert [link for link in pages.links(PAGE) if not (folder / link).exists()] == []


def test_the_python_shown_is_in_the_tutorial() -> None:
    written = [path.read_text() for path in TUTORIAL.rglob("*.py")]
    for text in pages.blocks(PAGE, "python"):
        lines = {line for line in text.splitlines() if line}
        assert any(lines <= set(source.splitlines()) for source in written), text
