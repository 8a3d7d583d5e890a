"""What docs/propagation.md shows is true."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from metaapps.tracing.formats import Decision, extract
from metaapps.tracing.sampling import parse
from metaapps.tracing.settings import from_environment
from tests.outside import pages
from tests.tracing.formats.rows import SPAN, TRACE

PAGE: Final = "docs/propagation.md"
QUOTED: Final = re.compile("`([^`]+)`")


def rows(first: str) -> list[list[str]]:
    """Return the cells of the table whose first head cell this is."""
    table = pages.read(PAGE).split(f"\n| {first} |", 1)[1].split("\n\n", 1)[0]
    return [line.strip("|").split("|") for line in table.splitlines()[2:]]


def test_its_code_runs(tmp_path: Path) -> None:
    (code,) = pages.blocks(PAGE, "python")
    environment = {**os.environ, "PYTHONPATH": str(pages.ROOT)}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)


def test_its_settings_are_known() -> None:
    for cells in rows("`TRACING_SAMPLE`"):
        (text,) = QUOTED.findall(cells[0])
        parse(text)
    (command,) = pages.blocks(PAGE, "console")
    name, _, value = command.removeprefix("$ export ").strip().partition("=")
    assert [each.name for each in from_environment({name: value}).formats] == value.split(",")


@pytest.mark.parametrize(("place", "decision"), list(enumerate(Decision, start=1)))
def test_its_decisions_are_those_that_are_read(place: int, decision: Decision) -> None:
    _, with_ids, alone, *_ = rows("What came")[place]
    (ids,) = QUOTED.findall(with_ids)
    value = ids.removeprefix("b3: ").replace("…", "{trace}-{span}")
    said = extract({"b3": value.format(trace=TRACE, span=SPAN)})
    assert said is not None
    assert said.decision is decision
    for header in QUOTED.findall(alone):
        name, _, value = header.partition(": ")
        said = extract({name.lower(): value})
        assert said is not None
        assert (said.position, said.decision) == (None, decision)
