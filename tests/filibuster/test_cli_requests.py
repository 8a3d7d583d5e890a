"""Whatever a request does (calls many, streams, forks), every call of it is seen and failed."""

from __future__ import annotations

import re

import pytest

from tests.filibuster.shell import Ended, Shell, Totals

TEST = """
import os, requests
def test_it():
    requests.get(os.environ["LAB_URL"] + "/PATH", timeout=300)
"""
REFUSED = "requests.exceptions.ConnectionError"


def explore(shell: Shell, path: str, *options: str) -> Ended:
    shell.write("test_it.py", TEST.replace("PATH", path))
    ended = shell.filibuster("--functional-test", "test_it.py", *options)
    assert ended.code == 0, ended.out + ended.err
    return ended


def initial(shell: Shell, path: str) -> Ended:
    return explore(shell, path, "--only-initial-execution")


def asked(ended: Ended) -> list[str]:
    """Return what lab asked of echo, in order."""
    return re.findall(r"lab → echo  requests\.get\(url='[^']*/echo/([^']*)'", ended.out)


def test_of_many_calls_in_a_request_none_is_lost(lab: Shell) -> None:
    """More than finds room in the response's header: the rest goes to the coordinator."""
    ended = initial(lab, "many/60")
    assert asked(ended) == [f"item-{i}-of-60" for i in range(60)]
    assert len(set(ended.indices)) == 61
    clocks = re.findall(r"vclock \{lab: (\d+), test: 1\}  origin \{test: 1\}", ended.out)
    assert clocks == [str(i + 1) for i in range(60)]


def test_any_of_many_calls_can_be_failed(lab: Shell) -> None:
    ended = explore(lab, "many/60", "--max-executions", "8")
    assert [judged.plan for judged in ended.judged[1:]] == [
        f"lab → echo GET /echo/item-{i}-of-60: {fault}"
        for i in range(2)
        for fault in (REFUSED, "requests.exceptions.ReadTimeout", "500", "502", "503")
    ][:7]
    failed = ended.out[ended.out.index("Execution 7") : ended.out.index("Execution 8")]
    assert failed.count("lab → echo") == 61  # the heading names one, too
    assert failed.count("✗ lab → echo") == 1


def test_what_a_stream_calls_belongs_to_its_request(lab: Shell) -> None:
    """The 75 that remain are the pairs: 3 × 25."""
    ended = explore(lab, "streamed", "--max-faults", "1")
    assert asked(ended)[:3] == ["part-0", "part-1", "part-2"]
    assert ended.totals == Totals(16, ran=16, pruned=0, remaining=75)
    assert ended.out.count("✗ lab → echo") == 15


@pytest.mark.parametrize(("path", "branches"), [("joined", 2), ("pooled", 4)])
def test_equal_calls_in_branches_are_different_calls(path: str, branches: int, lab: Shell) -> None:
    first, again = initial(lab, path), initial(lab, path)
    assert asked(first) == ["same"] * branches
    assert len(re.findall(r"branch \d", first.out)) == branches
    assert len(set(first.indices)) == branches + 1
    assert first.indices == again.indices


@pytest.mark.parametrize(
    ("path", "call"),
    [("unjoined", "unjoined"), ("outlived", "late"), ("left", "left"), ("queued", "late")],
)
def test_what_a_thread_calls_is_seen_though_nobody_waits_for_it(
    path: str, call: str, lab: Shell
) -> None:
    ended = explore(lab, path)
    assert asked(ended)[0] == call
    assert ended.totals == Totals(6, ran=6, pruned=0, remaining=0)
    assert ended.out.count("✗ lab → echo") == 5


def test_a_thread_that_never_ends_is_told_of(lab: Shell) -> None:
    ended = explore(lab, "left")
    told = "unseen: a branch that lab started at app.left:"
    assert ended.out.count(told) == 6
    assert len(re.findall(r"branch 1  at app\.left:\d+$", ended.out, re.MULTILINE)) == 6
    assert "warnings, see above: 6 × unseen\n" in ended.out
