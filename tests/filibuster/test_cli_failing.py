"""One bug is told once, however many plans show it; none of them is hidden."""

from __future__ import annotations

import json
import re

import pytest

from tests.filibuster.shell import Shell, Totals

# The lab calls echo twice; the test minds only if the first call fails.
FIRST = """
import os, requests
def test_first():
    text = requests.get(os.environ["LAB_URL"] + "/many/2", timeout=300).text
    assert text.split()[0] != "nothing"
"""
TWO_FAULTS = {"all": {"faults": ["lab→echo: refused", "lab→echo: timeout"]}}
SEARCH = ("run", "--functional-test", "test_first.py", "--analysis-file", "two.json")
MORE = "        and 2 more plans containing it, whose files are there too\n"


@pytest.fixture
def first(lab: Shell) -> Shell:
    lab.write("test_first.py", FIRST)
    lab.write("two.json", json.dumps(TWO_FAULTS))
    return lab


def test_plans_that_contain_a_failure_are_counted_with_it_and_all_are_kept(first: Shell) -> None:
    """Two faults fail the first call, and two more, or none, the second: of nine plans six fail."""
    ended = first.filibuster(*SEARCH)
    assert ended.code == 1
    assert ended.totals == Totals(9, ran=9, pruned=0, remaining=0)
    assert len(ended.failed) == 6
    told = re.findall(r"^failed: (.*)$", ended.out, re.MULTILINE)
    assert told == ended.failed[:2]
    assert ended.out.count(MORE) == 2
    assert len(list((first.directory / ".filibuster" / "counterexamples").iterdir())) == 6
    assert first.exported().count('"verdict": "failed"') == 6
    assert first.filibuster("page").code == 0
    page = (first.directory / "filibuster.html").read_text()
    assert "9 executions, 6 failed, of which 4 contain a smaller one that failed alike;" in page
    assert page.count('<details class="failed">') == 2
    assert page.count('<details class="failed bigger">') == 4
    assert len(re.findall("<p>contains the faults of execution [23], which", page)) == 4


def test_only_the_smallest_known_failures_come_before_the_search(first: Shell) -> None:
    assert first.filibuster(*SEARCH).code == 1
    text = first.exported()
    again = first.filibuster(*SEARCH)
    assert again.code == 1
    assert again.out.count("known failure  ") == again.out.count("  still fails  ") == 2
    assert "4 known failures not run ahead of the others: a smaller one in each " in again.out
    assert again.out.count(MORE) == 2
    assert first.exported() == text


def test_what_minimal_left_out_is_resumed_without_it(first: Shell) -> None:
    whole = first.filibuster(*SEARCH)
    text = first.exported()
    least = first.filibuster(*SEARCH, "--minimal", "--workers", "4")
    assert least.code == 1
    assert least.failed == whole.failed[:2]
    assert least.totals == Totals(5, ran=5, pruned=0, remaining=4)
    assert "stopped because plans that contain one that failed are not asked for; " in least.out
    assert "not all was tried: 4 plans known so far that contain one that failed; " in least.out
    resumed = first.filibuster(*SEARCH, "--workers", "4", "--resume")
    assert resumed.out.startswith("resumed: ")
    assert resumed.totals == whole.totals
    assert first.exported() == text
