"""Each tool that the documentation says can be built is a row that runs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from examples.hourglass import BOXES, Box, carried
from tests.outside import pages

PAGE = (pages.ROOT / "docs/semantics.md").read_text("utf-8")


def test_the_page_shows_what_the_example_prints() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "examples.hourglass"],
        cwd=pages.ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"```\n{ran.stdout}```" in PAGE


def test_the_table_has_the_rows_of_the_example() -> None:
    table = PAGE.partition("| Tool |")[2].partition("\n\n")[0]
    rows = [line.split(" | ")[0].removeprefix("| ") for line in table.splitlines()[2:]]
    assert rows == [box.name for box in BOXES]


@pytest.mark.parametrize("box", BOXES, ids=lambda box: box.name)
def test_nothing_is_lost_on_the_way(box: Box) -> None:
    assert all(carried(box).values())
