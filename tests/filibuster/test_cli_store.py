"""Runs that are cut off go on, known failures come first, and what is stored can be taken away."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner

from metaapps.filibuster.cli import main
from tests.filibuster.shell import FILIBUSTER, Ended, Shell, processes

TWICE = """
import os, requests
def test_twice():
    text = requests.get(os.environ["LAB_URL"] + "/many/2", timeout=300).text
    assert text != "nothing nothing"
"""
TWICE_IN_SHORT = ("run", "--functional-test", "test_twice.py", "--analysis-file", "two.json")
ONCE = """
import os, requests
def test_once():
    requests.get(os.environ["LAB_URL"] + "/once", timeout=300)
"""
STRICT = """
import os, requests
def test_once():
    text = requests.get(os.environ["LAB_URL"] + "/once", timeout=300).text
    assert text == "once"
"""
TWO_FAULTS = {
    "python.requests": {
        "pattern": "requests\\.(get|post)",
        "exceptions": [
            {"name": "requests.exceptions.ConnectionError"},
            {"name": "requests.exceptions.SSLError"},
        ],
    }
}
ONE_CALL = ("run", "--functional-test", "test_once.py")
REFUSED = "lab → echo GET /echo/once: requests.exceptions.ConnectionError"


@pytest.fixture
def twice(lab: Shell) -> Shell:
    """A directory with a test of two calls that minds if both fail, and two faults to try."""
    lab.write("test_twice.py", TWICE)
    lab.write("two.json", json.dumps(TWO_FAULTS))
    return lab


@pytest.fixture
def once(lab: Shell) -> Shell:
    lab.write("test_once.py", ONCE)
    return lab


def elsewhere(shell: Shell, *names: str) -> Shell:
    """Return another directory with the same files, from which the same services are in reach."""
    other = Shell(shell.directory / "elsewhere", shell.environment)
    for name in names:
        other.write(name, (shell.directory / name).read_text())
    return other


def resumed(ended: Ended) -> int:
    found = re.search(r"^resumed: (\d+) executions? from the store", ended.out, re.MULTILINE)
    assert found, ended.out + ended.err
    return int(found[1])


def killed(shell: Shell, executions: int, *options: str) -> str:
    """Run until so many executions are shown, and kill without warning; return what was shown."""
    shown = []
    with shell.start(FILIBUSTER, *TWICE_IN_SHORT, *options) as process:
        assert process.stdout is not None
        for line in process.stdout:
            shown.append(line)
            if line.startswith(f"Execution {executions} "):
                break
        process.kill()
    return "".join(shown)


# Resuming


def test_a_run_that_is_killed_again_and_again_comes_to_what_a_whole_one_does(
    twice: Shell,
) -> None:
    killed(twice, 2)
    assert "resumed: " in killed(twice, 4, "--resume")
    killed(twice, 5, "--resume", "--workers", "2")
    last = twice.filibuster(*TWICE_IN_SHORT, "--resume")
    # Whoever kills may come too late for some of the rest, or all.
    assert 5 <= resumed(last) <= last.totals.ran
    whole = elsewhere(twice, "test_twice.py", "two.json")
    assert whole.filibuster(*TWICE_IN_SHORT).code == last.code == 1
    assert twice.exported() == whole.exported()
    assert processes(twice.directory) == []
    (run,) = twice.filibuster("runs").out.splitlines()
    assert run.startswith("1  ")
    assert run.endswith("stopped because every plan was judged")


def test_a_run_that_was_bounded_goes_on_from_there(once: Shell) -> None:
    bounded = once.filibuster(*ONE_CALL, "--max-executions", "3")
    assert "not all was tried: --resume with a higher --max-executions" in bounded.out
    ended = once.filibuster(*ONE_CALL, "--resume")
    assert resumed(ended) == 3
    assert ended.code == bounded.code == 0
    assert ended.totals.ran == 6


def test_another_search_is_not_resumed_and_what_differs_is_said(once: Shell) -> None:
    assert once.filibuster(*ONE_CALL, "--max-executions", "2").code == 0
    once.write("test_once.py", ONCE + "\n")
    ended = once.filibuster(*ONE_CALL, "--resume", "--reduction", "strict", "--by-payload")
    assert ended.code == 2
    assert ended.err == (
        "filibuster: run 1 can't be resumed: the functional test changed; --by-payload was not "
        "given and is given; --reduction was dynamic and is strict (leave --resume out to run "
        "afresh)\n"
    )


def test_where_nothing_was_cut_off_a_run_begins(once: Shell) -> None:
    ended = once.filibuster(*ONE_CALL, "--resume", "--max-executions", "2")
    assert ended.code == 0, ended.err
    assert ended.out.startswith("nothing to resume: ")
    assert ended.totals.ran == 2


# Known failures


def test_a_known_failure_comes_first_and_changes_nothing_else(once: Shell) -> None:
    once.write("test_once.py", STRICT)
    assert once.filibuster(*ONE_CALL, "--fail-fast").code == 1
    ended = once.filibuster(*ONE_CALL)
    assert ended.code == 1
    assert ended.out.startswith(f"known failure  {REFUSED}  still fails  ")
    assert len(ended.failed) == 5
    afresh = elsewhere(once, "test_once.py")
    assert afresh.filibuster(*ONE_CALL).code == 1
    assert once.exported() == afresh.exported()


def test_a_known_failure_ends_a_run_that_is_to_stop_at_the_first(once: Shell) -> None:
    once.write("test_once.py", STRICT)
    assert once.filibuster(*ONE_CALL, "--max-executions", "3").code == 1
    ended = once.filibuster(*ONE_CALL, "--fail-fast")
    assert ended.code == 1
    assert ended.judged == []
    assert "stopped because a known failure still fails" in ended.out
    assert ended.out.count("still fails  ") == 1
    assert f"failed: {REFUSED}\n        AssertionError: " in ended.out


def test_known_failures_that_are_gone_are_said_to_be_and_forgotten(once: Shell) -> None:
    once.write("test_once.py", STRICT)
    assert once.filibuster(*ONE_CALL, "--max-executions", "2").code == 1
    once.write("test_once.py", ONCE)
    ended = once.filibuster(*ONE_CALL, "--max-executions", "2")
    assert ended.code == 0, ended.err
    assert ended.out.startswith(f"known failure  {REFUSED}  passes now  ")
    once.write("test_once.py", STRICT)
    assert once.filibuster(*ONE_CALL, "--max-executions", "2").code == 1
    once.write("test_once.py", ONCE.replace("/once", "/long"))
    ended = once.filibuster(*ONE_CALL, "--max-executions", "2")
    assert ended.out.startswith(
        "known failure  lab → echo GET /echo/once: refused  no longer reached  "
    )
    assert ended.code == 0, ended.err
    ended = once.filibuster(*ONE_CALL, "--max-executions", "2")
    assert ended.out.startswith("Execution 1  ")


def test_what_names_calls_is_said_where_a_failure_is_to_be_replayed(once: Shell) -> None:
    once.write("test_once.py", STRICT)
    found = once.filibuster(*ONE_CALL, "--by-payload", "--fail-fast")
    command = "filibuster replay counterexample.json --by-payload"
    assert found.out.endswith(f"replay the first: {command}\n")
    again = once.run(*command.split())
    assert again.code == 1
    assert "Reproduced: the test fails as recorded." in again.out


# Several at once


def test_runs_at_once_in_one_directory_are_stored_apart(once: Shell) -> None:
    running = [once.start(FILIBUSTER, *ONE_CALL) for _ in range(2)]
    for process in running:
        process.communicate()
    assert [process.returncode for process in running] == [0, 0]
    first, second = (once.exported("--run", number) for number in "12")
    assert first == second
    assert first.count("\n") == 7


def test_the_canonical_text_is_the_same_with_any_number_of_workers(twice: Shell) -> None:
    for workers in ("1", "4"):
        assert twice.filibuster(*TWICE_IN_SHORT, "--workers", workers).code == 1
    assert twice.exported("--run", "1") == twice.exported("--run", "2")


# What is exported


def test_the_canonical_text_names_no_time_port_id_or_path(twice: Shell) -> None:
    assert twice.filibuster(*TWICE_IN_SHORT).code == 1
    text = twice.exported()
    events = [json.loads(line) for line in text.splitlines()]
    assert [event["event"] for event in events] == ["ran"] * 9 + ["done"]
    assert text == "".join(json.dumps(event, sort_keys=True) + "\n" for event in events)
    assert str(twice.directory) not in text
    assert "127.0.0.1" not in text
    assert not re.search(r"\b[0-9a-f]{12,}\b", text)
    failing = [event for event in events if event.get("verdict") == "failed"]
    assert {event["failure"] for event in failing} == {"AssertionError (test_twice.py:5)"}
    twice.filibuster("export", "-o", "run.jsonl")
    assert (twice.directory / "run.jsonl").read_text() == text


def test_a_part_is_said_to_be_one(twice: Shell) -> None:
    killed(twice, 3)
    ended = twice.filibuster("export")
    assert ended.err == "filibuster: run 1 was cut off: this is a part of it\n"
    assert 3 <= len(ended.out.splitlines()) < 9


def test_a_page_shows_each_execution_and_nothing_else_of_a_callee(twice: Shell) -> None:
    twice.write("test_twice.py", TWICE + "    assert '<b>' not in text, '<script>'\n")
    assert twice.filibuster(*TWICE_IN_SHORT).code == 1
    ended = twice.filibuster("page", "-o", "run.html")
    assert (ended.code, ended.out) == (0, "run 1 is in run.html\n")
    page = (twice.directory / "run.html").read_text()
    assert page.count("<details ") == 9
    assert page.count('<details class="failed">') == 4
    assert page.count("✗") == 4 + 8
    assert "<script" not in page


@pytest.mark.parametrize("command", ["export", "runs", "page"])
def test_where_nothing_is_stored_is_one_line(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = CliRunner().invoke(main, [command])
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert ended.stderr.startswith("filibuster: no run is stored here")
    assert list(tmp_path.iterdir()) == []


def stored(directory: Path, content: bytes) -> Path:
    path = directory / ".filibuster" / "executions.sqlite"
    path.parent.mkdir()
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("command", [["export"], ["runs"], ["--functional-test", "true"]])
def test_a_store_that_is_none_is_one_line_and_stays(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = stored(tmp_path, b"something else" * 100)
    monkeypatch.chdir(tmp_path)
    ended = CliRunner().invoke(main, command)
    assert ended.exit_code == 2
    assert ended.stderr.startswith("filibuster: .filibuster/executions.sqlite is damaged")
    assert ended.stderr.count("\n") == 1
    assert path.read_bytes() == b"something else" * 100


def test_a_newer_store_is_one_line_and_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".filibuster").mkdir()
    with sqlite3.connect(tmp_path / ".filibuster" / "executions.sqlite") as connection:
        connection.execute(f"PRAGMA application_id = {0x66696C69}")
        connection.execute("PRAGMA user_version = 9")
    monkeypatch.chdir(tmp_path)
    ended = CliRunner().invoke(main, ["runs"])
    assert ended.exit_code == 2
    assert "written by a newer filibuster (store version 9)" in ended.stderr


# Bounds


@pytest.mark.parametrize("bound", ["--max-faults 0", "--max-executions 1", "--max-time 0"])
def test_a_run_whose_bounds_leave_room_for_no_fault_fails(bound: str, once: Shell) -> None:
    ended = once.filibuster(*ONE_CALL, *bound.split())
    assert ended.code == 2
    assert ended.err.startswith("filibuster: no fault was tried: ")
    assert ended.totals.ran == 1


def test_of_many_executions_the_first_are_shown_with_their_calls(lab: Shell) -> None:
    lab.write("test_many.py", TWICE.replace("/many/2", "/many/3"))
    command = ("run", "--functional-test", "test_many.py", "--max-executions", "34")
    short, full = lab.filibuster(*command), lab.filibuster(*command, "--verbose")
    assert [judged.plan for judged in short.judged] == [judged.plan for judged in full.judged]
    assert len(short.indices) == 30 * 4
    assert len(full.indices) == 34 * 4
    assert "from here on one line each; --verbose shows all calls" in short.out


# What doesn't go together

CONTRADICTIONS = [
    (["--fault", "a→b: refused", "--resume"], "--fault tries its faults alone"),
    (["--fault", "a→b: refused", "--max-time", "3"], "leave --max-time out"),
    (["--fault", "a→b: refused", "--only-initial-execution"], "leave one of them out"),
    (["--fault", "nonsense"], "--fault "),
    (["--only-initial-execution", "--fail-fast"], "leave --fail-fast out"),
    (["--disable-dynamic-reduction", "--reduction", "paper"], "leave one of them out"),
    (["--reduction", "paper", "--order", "random"], "paper"),
    (["--counterexample-file", "x.json", "--resume"], "leave --resume out"),
    (["--coverage", "--resume"], "leave --resume out"),
    (["--seed", "3"], "--seed is for --order random"),
    (["--serial", "--workers", "3"], "leave --workers 3 out"),
    (["--reset", "true", "--workers", "3"], "leave --workers 3 out"),
    (["--workers", "none"], "--workers 'none': give a number"),
    (["--ignore-answers", "?"], "answers to ignore: "),
]


@pytest.mark.parametrize(("options", "reason"), CONTRADICTIONS, ids=lambda value: str(value)[:50])
def test_what_does_not_go_together_is_one_line(
    options: list[str], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = CliRunner().invoke(main, ["run", "--functional-test", "true", *options])
    assert ended.exit_code == 2
    assert ended.stderr.startswith("filibuster: ")
    assert reason in ended.stderr
    assert ended.stderr.count("\n") == 1
