"""What can be typed, what is said to what makes no sense, and how the output looks."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from metaapps.filibuster.cli import main
from tests.filibuster.shell import FILIBUSTER, Shell, Totals

ONCE = """
import os, requests
def test_once():
    requests.get(os.environ["LAB_URL"] + "/once", timeout=300)
"""
STRICT = """
import os, requests
def test_strictly():
    assert requests.get(os.environ["LAB_URL"] + "/once", timeout=300).text == "once"
"""
FAULTS = ["requests.exceptions.ConnectionError", "requests.exceptions.ReadTimeout", "500", "502"]
CALL = "lab → echo GET /echo/once"


@pytest.fixture
def once(lab: Shell) -> Shell:
    """A directory with two tests of a service that makes one call, one of which minds faults."""
    lab.write("test_once.py", ONCE)
    lab.write("test_strict.py", STRICT)
    return lab


# The original's command lines


def test_a_command_line_without_a_command_runs(once: Shell) -> None:
    ended = once.filibuster("--functional-test", "./test_once.py")
    assert ended.code == 0, ended.err
    assert ended.totals == Totals(6, ran=6, pruned=0, remaining=0)


def test_only_the_initial_execution_is_run_if_told_so(once: Shell) -> None:
    ended = once.filibuster("--functional-test", "./test_once.py", "--only-initial-execution")
    assert ended.code == 0, ended.err
    assert [judged.how for judged in ended.judged] == ["Initial execution"]
    assert [judged.plan for judged in ended.judged] == ["no faults"]


def test_the_analysis_file_is_looked_for_in_the_working_directory(once: Shell) -> None:
    faults = {
        "python.requests": {
            "pattern": "requests\\.(get|post)",
            "exceptions": [{"name": "requests.exceptions.ConnectionError", "metadata": {}}],
            "errors": [{"service_name": "echo", "types": [{"type": "error", "codes": ["404"]}]}],
        }
    }
    text = json.dumps(faults).replace('"codes": ["404"]', '"return_value": {"status_code": "404"}')
    once.write("deep/er/faults.json", text)
    ended = once.filibuster(
        "--functional-test", "test_once.py", "--analysis-file", "deep/er/faults.json"
    )
    assert [judged.plan for judged in ended.judged] == [
        "no faults",
        f"{CALL}: requests.exceptions.ConnectionError",
        f"{CALL}: 404",
    ], ended.err
    assert ended.code == 0


def test_a_counterexample_file_is_replayed_and_nothing_else(once: Shell) -> None:
    assert once.filibuster("--functional-test", "test_strict.py", "--fail-fast").code == 1
    replay = ("--functional-test", "test_strict.py", "--counterexample-file", "counterexample.json")
    ended = once.filibuster(*replay)
    assert ended.code == 1
    assert [tuple(judged) for judged in ended.judged] == [
        ("Replay", f"{CALL}: requests.exceptions.ConnectionError", "FAILED")
    ]
    assert "Reproduced: the test fails as recorded." in ended.out


def test_fail_fast_stops_at_the_first_failure(once: Shell) -> None:
    ended = once.filibuster("--functional-test", "test_strict.py", "--fail-fast")
    assert ended.code == 1
    assert ended.totals == Totals(2, ran=2, pruned=0, remaining=4)
    assert "stopped because an execution failed;" in ended.out


def test_by_default_every_failure_is_listed_with_a_counterexample_of_its_own(once: Shell) -> None:
    ended = once.filibuster("--functional-test", "test_strict.py")
    assert ended.code == 1
    assert ended.failed == [f"{CALL}: {fault}" for fault in (*FAULTS, "503")]
    listed = re.findall(r"^failed: (.*)\n +AssertionError.*\n +(\S+)$", ended.out, re.MULTILINE)
    assert [plan for plan, _ in listed] == ended.failed
    files = [once.directory / path for _, path in listed]
    assert len(set(files)) == 5
    for (plan, _), file in zip(listed, files, strict=True):
        (fault,) = json.loads(file.read_text())["faults"]
        outcome = fault.get("exception") or str(fault["status"])
        assert f"{fault['call']}: {outcome}" == plan


def test_the_most_executions_are_a_limit(once: Shell) -> None:
    ended = once.filibuster("--functional-test", "test_once.py", "--max-executions", "3")
    assert ended.code == 0
    assert ended.totals == Totals(3, ran=3, pruned=0, remaining=3)
    assert "stopped because no more executions are asked for;" in ended.out


SERVICES = ["services", "services start", "services stop", "services status"]


@pytest.mark.parametrize("command", ["", "run", "replay", "runs", "export", "page", *SERVICES])
def test_every_command_helps_with_an_example(command: str) -> None:
    for option in ("--help", "-h"):
        ended = CliRunner().invoke(main, [*command.split(), option])
        assert ended.exit_code == 0
        assert f"Example:  filibuster {command}" in ended.stdout
        assert ended.stderr == ""


# What can't be done: one line, exit code 2, and nothing is overwritten

OURS = '{"format": "filibuster counterexample", "version": 1, '
AT_ONCE = [
    ([], "name a functional test: --functional-test FILE"),
    (["--functional-test", ""], "name a functional test"),
    (["--functional-test", "nowhere.py"], "'nowhere.py' is no file and no command"),
    (["--functional-test", "'"], '"\'" is no command'),
    (["--functional-test", "test_syntax.py"], "test_syntax.py:1: "),
    (
        ["--functional-test", "true", "--analysis-file", "nowhere.json"],
        "nowhere.json: No such file or directory: give the path of an analysis file",
    ),
    (["--functional-test", "true", "--analysis-file", "broken.json"], "not JSON"),
    (["--functional-test", "true", "--analysis-file", "binary"], "not JSON"),
    (["--functional-test", "true", "--analysis-file", "foreign.json"], "foreign.json"),
    (
        ["--functional-test", "true", "--counterexample-file", "nowhere.json"],
        "nowhere.json: No such file or directory: name a counterexample file",
    ),
    (["replay", "nowhere.json"], "nowhere.json: No such file or directory"),
    (["replay", "."], ".: Is a directory"),
    (["replay", "broken.json"], "broken.json: not JSON"),
    (["replay", "binary"], "binary: not JSON"),
    (["replay", "foreign.json"], "foreign.json: not a counterexample of filibuster"),
    (["replay", "newer.json"], "newer.json: version 2 is not known here"),
    (["replay", "faultless.json"], "faultless.json: names no fault"),
    (["replay", "unreadable.json"], "unreadable.json: a fault is not readable"),
    (["--functional-test", "true", "--services", "nowhere.toml"], "cannot read 'nowhere.toml'"),
    (["services", "start", "nowhere.toml"], "cannot read 'nowhere.toml'"),
    (["services", "start", "broken.toml"], "service 'broken' ended with exit code 3"),
    (["services", "status"], "no services run here"),
]
AFTER_A_WHILE = [
    (["--functional-test", "test_calls_nobody.py"], "no service was seen to call another"),
    (
        ["--functional-test", "test_calls_nobody.py", "--only-initial-execution"],
        "no service was seen to call another",
    ),
    (["--functional-test", "true"], "no service was seen to call another"),
    (["--functional-test", "test_fails.py"], "the functional test fails without any fault"),
    (
        ["--functional-test", "test_fails.py", "--only-initial-execution"],
        "the functional test fails without any fault",
    ),
    (["--functional-test", "false"], "the functional test fails without any fault"),
    (
        ["--functional-test", "test_once.py", "--analysis-file", "misses.json"],
        "no fault of the catalogue fits any call: see --analysis-file",
    ),
    (["replay", "other.json"], "not reproduced: the call x → y GET /z is no longer made"),
    (
        ["replay", "other.json", "--functional-test", "test_calls_nobody.py"],
        "not reproduced: no service was seen to call another",
    ),
    (
        ["--functional-test", "test_once.py", "--services", "broken.toml"],
        "service 'broken' ended with exit code 3 before it was ready",
    ),
]
FILES = {
    "test_once.py": ONCE,
    "test_syntax.py": "def test(:\n",
    "test_calls_nobody.py": "def test(): pass\n",
    "test_fails.py": "def test(): assert False, 'so\\nit is'\n",
    "broken.json": '{"format": ',
    "binary": "\0\x01",
    "foreign.json": '{"notes": 3}',
    "misses.json": '{"grpc": {"pattern": "grpc", "exceptions": [{"name": "grpc.RpcError", '
    '"metadata": {"code": "UNAVAILABLE"}}]}}',
    "newer.json": OURS.replace("1", "2") + '"faults": []}',
    "faultless.json": OURS + '"faults": []}',
    "unreadable.json": OURS + '"faults": [{"execution_index": "xy", "kind": "refused"}]}',
    "other.json": OURS + '"functional_test": "test_once.py", "faults": [{"execution_index": "'
    f'{"0" * 31}1", "kind": "refused", "call": "x → y GET /z"}}]}}',
    "broken.toml": """[services.broken]
command = ["{python}", "-c", "import sys; print('why'); sys.exit(3)"]""",
    "counterexample.json": "mine",
}


@pytest.fixture
def broken(lab: Shell) -> Iterator[Shell]:
    """A directory of files that are no good, and stay as they are."""
    for name, text in FILES.items():
        lab.write(name, text)
    yield lab
    for name, text in FILES.items():
        assert (lab.directory / name).read_text() == text
    assert not (lab.directory / ".filibuster" / "counterexamples").exists()


def is_one_line(err: str, reason: str) -> bool:
    return err.startswith("filibuster: ") and reason in err and err.count("\n") == 1


@pytest.mark.parametrize(("arguments", "reason"), AT_ONCE, ids=lambda value: str(value)[:60])
def test_what_cannot_be_begun_is_one_line(
    arguments: list[str], reason: str, broken: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(broken.directory)
    ended = CliRunner().invoke(main, arguments or ["run"])
    assert ended.exit_code == 2
    assert is_one_line(ended.stderr, reason), ended.stderr


@pytest.mark.parametrize(("arguments", "reason"), AFTER_A_WHILE, ids=lambda value: str(value)[:60])
def test_what_cannot_be_done_is_one_line(arguments: list[str], reason: str, broken: Shell) -> None:
    ended = broken.filibuster(*arguments)
    assert ended.code == 2, ended.out
    assert is_one_line(ended.err, reason), ended.err


def test_a_service_that_does_not_start_is_quoted(shell: Shell) -> None:
    shell.write("broken.toml", FILES["broken.toml"])
    ended = shell.filibuster("--functional-test", "true", "--services", "broken.toml")
    assert ended.out.splitlines() == ["  │   why"]


def test_a_directory_that_cannot_be_written_is_one_line(once: Shell) -> None:
    once.write(".filibuster/counterexamples", "a file where a directory should be")
    ended = once.filibuster("--functional-test", "test_strict.py")
    assert ended.code == 2
    assert re.fullmatch(r"filibuster: can't write \.filibuster/counterexamples/.*\n", ended.err)


# The picture


def test_each_call_is_shown_with_all_that_names_it(once: Shell) -> None:
    ended = once.filibuster("--functional-test", "test_once.py", "--max-executions", "2")
    port = once.environment["ECHO_URL"].rpartition(":")[2]
    failed = ended.out[ended.out.index("Execution 2") :].splitlines()
    assert failed[0].startswith(f"Execution 2  {CALL}: {FAULTS[0]}  passed")
    assert failed[3] == (
        f"    └── ✗ lab → echo  requests.get(url='http://127.0.0.1:{port}/echo/once', timeout=60)"
        f"  {FAULTS[0]} injected"
    )
    clocks = re.escape("vclock {lab: 1, test: 1}  origin {test: 1}")
    assert re.fullmatch(rf" +{clocks}  index [0-9a-f]{{12}}  at app\.ask:\d+", failed[4])


def test_long_arguments_are_shown_in_short(lab: Shell) -> None:
    lab.write("test_long.py", ONCE.replace("/once", "/long"))
    ended = lab.filibuster("--functional-test", "test_long.py", "--only-initial-execution")
    (line,) = [line for line in ended.out.splitlines() if "lab → echo" in line]
    assert "…" in line
    assert len(line) < 160


def test_a_pipe_gets_plain_lines_as_they_come(once: Shell) -> None:
    with once.start(FILIBUSTER, "--functional-test", "test_once.py") as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert process.poll() is None, "the first line came only at the end"
        rest = process.stdout.read()
    assert first.startswith("Execution 1  no faults  passed")
    assert "\x1b" not in first + rest
    assert process.returncode == 0


def test_a_terminal_gets_colours(once: Shell) -> None:
    ours, theirs = pty.openpty()
    command = [FILIBUSTER, "--functional-test", "test_once.py", "--only-initial-execution"]
    process = subprocess.Popen(
        command,
        cwd=once.directory,
        env=once.variables(TERM="xterm"),
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    assert "\x1b[" in _all_of(ours)
    assert process.wait() == 0


def test_a_terminal_loses_nothing_of_lines_that_are_too_wide(once: Shell) -> None:
    ours, theirs = pty.openpty()
    command = [FILIBUSTER, "--functional-test", "test_once.py", "--max-executions", "2"]
    env = once.variables(TERM="xterm", COLUMNS="40")
    with subprocess.Popen(command, cwd=once.directory, env=env, stdout=theirs, stderr=theirs):
        os.close(theirs)
        shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", _all_of(ours)).replace("\r\n", "\n")
    assert re.search(rf"Execution 2  {CALL}: {FAULTS[0]}  passed  \d+ ms", shown)
    assert re.search(rf"✗ lab → echo .*, timeout=60\)  {FAULTS[0]} injected\n", shown)
    assert "explored 2 of 6, 0 pruned, stopped because" in shown


def _all_of(terminal: int) -> str:
    found = b""
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # how a terminal says that the other end is closed
            part = b""
        if not part:
            os.close(terminal)
            return found.decode()
        found += part


def test_an_encoding_without_arrows_ends_nothing(once: Shell) -> None:
    ended = once.filibuster("--functional-test", "test_once.py", PYTHONIOENCODING="ascii")
    assert ended.code == 0, ended.err
    assert "lab ? echo" in ended.out


def test_a_reader_that_goes_ends_the_run(once: Shell) -> None:
    line = f"{FILIBUSTER} --functional-test test_once.py; echo code $? >&2"
    ended = once.run("bash", "-c", f"({line}) | head -1")
    assert ended.out.count("\n") == 1
    assert ended.err == "filibuster: nobody reads the output any more\ncode 2\n"


def test_what_a_test_prints_is_shown_in_bounds_when_it_fails(once: Shell) -> None:
    once.write(
        "test_wordy.py",
        STRICT.replace("    assert", "    print('word\\n' * 1_000_000)\n    assert"),
    )
    ended = once.filibuster("--functional-test", "test_wordy.py", "--fail-fast")
    assert ended.code == 1
    assert len(ended.out) < 10_000
    assert "lines more" in ended.out
    assert (once.directory / "counterexample.json").stat().st_size < 200_000


def test_the_failing_test_is_shown_from_its_own_first_line_on(once: Shell) -> None:
    ended = once.filibuster("--functional-test", "test_strict.py", "--fail-fast")
    shown = ended.out[ended.out.index("  │ Traceback") :].splitlines()
    assert "test_strict.py" in shown[1]
    assert not any("filibuster/cli" in line or "runpy" in line for line in shown)
    assert Path(once.directory, "test_strict.py").exists()
