"""However a run ends, no process is left, and what it has found is on disk, whole."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from metaapps.filibuster import counterexample
from tests.filibuster.shell import FILIBUSTER, Ended, Shell, Totals, processes, wait_until

LAB = Path(__file__).parent / "lab"

# Fails under the first fault, and hangs under the second, in a process that it started itself.
HANGS = """
import os, pathlib, subprocess, requests
from metaapps.filibuster.assertions import was_fault_injected

def test_hangs():
    text = requests.get(os.environ["LAB_URL"] + "/once", timeout=300).text
    if was_fault_injected() and pathlib.Path("failed").exists():
        subprocess.run(["sh", "-c", "touch hanging; sleep 600"])
    if text != "once":
        pathlib.Path("failed").touch()
        raise AssertionError(text)
"""
STRICT = """
import os, requests
def test_strictly():
    assert requests.get(os.environ["LAB_URL"] + "/once", timeout=300).text == "once"
"""
SERVICES = ("--services", "lab/services.toml")


@pytest.fixture
def own(shell: Shell) -> Shell:
    """A directory with services to start from there."""
    shutil.copytree(LAB, shell.directory / "lab", ignore=shutil.ignore_patterns("__pycache__"))
    return shell


def hanging(shell: Shell, *options: str) -> subprocess.Popen[str]:
    """Return a run that has found something, and hangs."""
    shell.write("test_hangs.py", HANGS)
    process = shell.start(FILIBUSTER, "--functional-test", "test_hangs.py", *options)
    wait_until((shell.directory / "hanging").exists)
    return process


def whole(directory: Path) -> int:
    """Return how many counterexamples there are; each must be readable."""
    found = list((directory / ".filibuster" / "counterexamples").iterdir())
    for file in (*found, directory / "counterexample.json"):
        assert counterexample.load(file).plan.faults
    return len(found)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_cleans_up(own: Shell, number: signal.Signals) -> None:
    with hanging(own, *SERVICES) as process:
        assert len(processes(own.directory)) >= 6
        process.send_signal(number)
        _, err = process.communicate(timeout=300)
    assert process.returncode == 130
    assert err == (
        "filibuster: interrupted: 1 counterexample so far, in .filibuster/counterexamples; "
        "--resume goes on from here\n"
    )
    wait_until(lambda: not processes(own.directory))
    assert whole(own.directory) == 1


def test_a_killed_run_leaves_no_process_and_whole_counterexamples(own: Shell) -> None:
    with hanging(own, *SERVICES) as process:
        process.kill()
    wait_until(lambda: not processes(own.directory))
    assert whole(own.directory) == 1


def test_an_interrupt_while_services_start_cleans_up(own: Shell) -> None:
    slow = "import pathlib, time; pathlib.Path('starting').touch(); time.sleep(600)"
    own.write("slow.toml", f'[services.slow]\ncommand = ["{{python}}", "-c", "{slow}"]')
    command = (FILIBUSTER, "--functional-test", "true", "--services", "slow.toml")
    with own.start(*command) as process:
        wait_until((own.directory / "starting").exists)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (130, "filibuster: interrupted\n")
    wait_until(lambda: not processes(own.directory))


# Ends at the first request, and is never ready when it is started again.
ENDS = """
import os, pathlib, socket, time
starts = len(list(pathlib.Path(".").glob("start-*"))) + 1
pathlib.Path(f"start-{starts}").touch()
while starts > 1:
    time.sleep(600)
listening = socket.socket(fileno=int(os.environ["SERVICE_FD"]))
while True:
    connection, _ = listening.accept()
    if b"GET /end" in connection.recv(65536):
        os._exit(3)
    connection.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\n")
    connection.close()
"""
ENDING = """
import os, requests
requests.get(os.environ["ENDS_URL"] + "/end", timeout=300)
"""


def test_an_interrupt_while_services_start_again_waits_for_none_of_them(own: Shell) -> None:
    own.write("ends.py", ENDS)
    own.write("ends.toml", '[services.ends]\ncommand = ["{python}", "-S", "-E", "ends.py"]\n')
    own.write("ending.py", ENDING)
    options = ("--functional-test", "ending.py", "--services", "ends.toml", "--workers", "2")
    with own.start(FILIBUSTER, *options) as process:
        wait_until((own.directory / "start-2").exists)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (
        130,
        "filibuster: interrupted: no counterexample so far; --resume goes on from here\n",
    )
    # It's neither waited for, nor tried once more.
    assert not (own.directory / "start-3").exists()
    wait_until(lambda: not processes(own.directory))


def test_a_test_that_hangs_fails_and_says_where(lab: Shell) -> None:
    lab.write("test_hangs.py", HANGS)
    command = ("--functional-test", "test_hangs.py", "--fail-fast")
    ended = lab.filibuster(*command)
    assert ended.code == 1
    assert "AssertionError: nothing" in ended.out
    said = ""
    for limit in (1, 10, 60):  # where the machine is busy, a test may not get that far in a second
        if not (lab.directory / "hanging").exists():
            again = lab.filibuster(*command, "--test-timeout", str(limit))
            assert again.code == 1
            said = again.out.replace(f"no end after {limit} s", "no end")
    assert "no end (test_hangs.py:8)" in said
    assert processes(lab.directory) == []


def test_what_a_run_leaves_running_ends_with_it(lab: Shell) -> None:
    lab.write("test_leaves.py", f"import subprocess\nsubprocess.Popen(['sleep', '600'])\n{STRICT}")
    ended = lab.filibuster("--functional-test", "test_leaves.py", "--max-executions", "2")
    assert ended.code == 1
    assert processes(lab.directory) == []


# Runs at once


def at_once(command: tuple[str, ...], *shells: Shell) -> list[Ended]:
    running = [shell.start(*command) for shell in shells]
    ended = [(process, *process.communicate(timeout=300)) for process in running]
    return [Ended(process.returncode, out, err) for process, out, err in ended]


def test_two_runs_at_once_know_nothing_of_one_another(own: Shell) -> None:
    """In one directory, each with services of its own, and in another with the same services."""
    own.write("test_strict.py", STRICT)
    command = (FILIBUSTER, "--functional-test", "test_strict.py", *SERVICES)
    first, second = at_once(command, own, own)
    assert first.code == second.code == 1, first.err + second.err
    assert first.totals == second.totals == Totals(6, ran=6, pruned=0, remaining=0)
    assert first.failed == second.failed
    logs = {line for line in (first.out + second.out).splitlines() if "their logs" in line}
    assert len(logs) == 2
    assert whole(own.directory) == 5
    assert processes(own.directory) == []


def test_two_runs_at_once_share_services(lab: Shell) -> None:
    shells = [Shell(lab.directory / name, lab.environment) for name in ("here", "there")]
    for shell in shells:
        shell.write("test_strict.py", STRICT)
    first, second = at_once((FILIBUSTER, "--functional-test", "test_strict.py"), *shells)
    assert first.code == second.code == 1, first.err + second.err
    assert first.indices == second.indices
    assert len(first.indices) == 12
    found = [json.loads((shell.directory / "counterexample.json").read_text()) for shell in shells]
    assert found[0]["faults"] == found[1]["faults"]
