"""What a request leaves running is a part of its execution: found, failed, and waited for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.filibuster.conftest import Deployed
from tests.filibuster.shell import Ended, Shell

ASKS = """
import os, requests

def test_{path}():
    with requests.get(os.environ["DESK_URL"] + "/{path}", timeout=300, stream=True) as response:
        assert response.ok
        next(response.iter_content(5))
"""


@pytest.fixture
def desk(shell: Shell, deployed: Deployed) -> Shell:
    return Shell(shell.directory, deployed(Path(__file__).parent / "leaving" / "services.toml"))


def explored(desk: Shell, path: str, *options: str) -> Ended:
    desk.write(f"test_{path}.py", ASKS.format(path=path))
    # What ends is waited for as long as it takes.
    patience = () if path == "endless" else ("--settle", "60")
    return desk.filibuster("--functional-test", f"test_{path}.py", *patience, *options)


@pytest.mark.parametrize("path", ["thread", "task", "background", "queue", "stream"])
@pytest.mark.parametrize("workers", ["1", "4"])
def test_a_call_that_is_made_after_the_answer_is_found_and_failed(
    desk: Shell, path: str, workers: str
) -> None:
    ended = explored(desk, path, "--workers", workers)
    assert (ended.code, ended.err) == (0, ""), ended.out
    assert ended.totals.ran >= 5
    calls = [line for line in ended.calls if line.startswith("desk → audit")]
    # In the first execution it is seen, and in each of the others it fails.
    assert len(calls) == ended.totals.ran
    assert sum("injected" in line for line in calls) == ended.totals.ran - 1
    assert "not hit" not in ended.out
    assert "warnings" not in ended.out, ended.out


def test_what_never_ends_is_named_with_the_place_that_started_it(desk: Shell) -> None:
    ended = explored(desk, "endless", "--max-executions", "2")
    assert "a branch that desk started at desk.endless:" in ended.out
    assert "did not end in time" in ended.out
    assert [line for line in ended.calls if line.startswith("desk → audit")]


ASKS_MEANWHILE = """
import os, threading, time, requests
from metaapps.filibuster.assertions import was_fault_injected_on

def get(path):
    return requests.get(os.environ["DESK_URL"] + path, timeout=300).json()

def test_held():
    holder = threading.Thread(target=get, args=("/held",))
    holder.start()
    try:
        while not (shown := get("/shown")):
            time.sleep(0.01)
        assert was_fault_injected_on("audit") is (shown == "failed")
    finally:
        get("/release")
        holder.join()
"""


def test_a_hit_is_known_before_another_request_can_show_what_came_of_it(desk: Shell) -> None:
    desk.write("test_held.py", ASKS_MEANWHILE)
    ended = desk.filibuster("--functional-test", "test_held.py", "--settle", "60")
    assert (ended.code, ended.err) == (0, ""), ended.out
    assert ended.totals.ran >= 5
