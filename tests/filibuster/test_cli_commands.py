"""A functional test may be any command, and services may be started by anyone who has the key."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import sys

import pytest

from baggage.testing.suite import eventually
from tests.filibuster.shell import FILIBUSTER, Ended, Shell, Totals

PYTHON = shlex.quote(sys.executable)
CALL = "lab → echo GET /echo/once"

TWICE = """#!/bin/sh
curl -sS -H "baggage: $BAGGAGE" "$LAB_URL/once" && curl -sS -H "baggage: $BAGGAGE" "$LAB_URL/once"
"""
with_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="no curl for a script to call")
# Nothing instruments this process.
PLAIN = """
import os, sys, urllib.request
from metaapps.filibuster.assertions import was_fault_injected, was_fault_injected_on

request = urllib.request.Request(os.environ["LAB_URL"] + "/once")
request.add_header("baggage", os.environ.get("BAGGAGE", ""))
assert not was_fault_injected()
with urllib.request.urlopen(request, timeout=300) as response:
    text = response.read().decode()
assert was_fault_injected() is (text != "once")
assert was_fault_injected_on("echo") is (text != "once")
assert not was_fault_injected_on("lab")
assert "requests" not in sys.modules
"""


@with_curl
def test_two_identical_requests_of_a_script_are_two_calls(lab: Shell) -> None:
    """1 + 2 × 5 single faults, and 5 × 5 pairs, of which 2 × 5 run.

    Lab gives one answer if echo can't be reached, and another if it answers with an error: for what
    follows, the first fault of each sort stands for all.
    """
    lab.write("twice.sh", TWICE)
    ended = lab.filibuster("--functional-test", "sh twice.sh")
    assert ended.code == 0, ended.out + ended.err
    initial = ended.out[: ended.out.index("Execution 2")]
    assert initial.count("test → lab  flask.get(") == 2
    assert initial.count("lab → echo  requests.get(") == 2
    first = Ended(0, initial, "")
    assert len(set(first.indices)) == 4
    assert ended.totals == Totals(36, ran=21, pruned=15, remaining=0)
    assert "✗ lab → echo" in ended.out


@with_curl
def test_a_script_that_minds_faults_fails_and_its_counterexample_replays(lab: Shell) -> None:
    lab.write("strict.sh", TWICE.replace("&& curl", "| grep once && curl"))
    ended = lab.filibuster("--functional-test", "sh strict.sh", "--max-faults", "1")
    assert ended.code == 1
    assert len(ended.failed) == 5
    assert "  exit code 1\n" in ended.out
    again = lab.filibuster("replay", "counterexample.json")
    assert again.code == 1
    assert "Reproduced" in again.out


def test_a_command_in_python_may_ask_for_faults_without_instrumentation(lab: Shell) -> None:
    lab.write("plain.py", PLAIN)
    ended = lab.filibuster("--functional-test", f"{PYTHON} plain.py")
    assert ended.code == 0, ended.out + ended.err
    assert ended.totals == Totals(6, ran=6, pruned=0, remaining=0)
    failed = ended.out[ended.out.index("Execution 2") : ended.out.index("Execution 3")]
    assert failed.count("asked: was a fault injected? ") == 2
    assert failed.count("asked: was a fault injected on echo? yes") == 1
    assert failed.count("asked: was a fault injected on lab? no") == 1


def test_assertions_are_harmless_without_filibuster(lab: Shell) -> None:
    lab.write("plain.py", PLAIN)
    ended = lab.run(sys.executable, "plain.py")
    assert (ended.code, ended.err) == (0, "")


# Keys

SERVICES = """
import sys, threading
import requests
from flask import Flask
from werkzeug.serving import make_server

{switch_on}
front, back = Flask("front"), Flask("back")
{instrument}

@front.get("/")
def ask():
    try:
        return requests.get(f"http://127.0.0.1:{{below.port}}/", timeout=60).text
    except requests.exceptions.RequestException:
        return "nothing"

@back.get("/")
def answer():
    return "something"

below = make_server("127.0.0.1", 0, back, threaded=True)
threading.Thread(target=below.serve_forever, daemon=True).start()
above = make_server("127.0.0.1", 0, front, threaded=True)
sys.stdout.write(f"{{above.port}}\\n")
sys.stdout.flush()
above.serve_forever()
"""
DROP_INS = SERVICES.format(
    switch_on="""
from metaapps.filibuster.instrumentation.flask import FlaskInstrumentor
from metaapps.filibuster.instrumentation.requests import RequestsInstrumentor
RequestsInstrumentor().instrument(service_name="front", filibuster_url="http://localhost:5005")
""",
    instrument="""
FlaskInstrumentor().instrument_app(front, service_name="front")
FlaskInstrumentor().instrument_app(back, service_name="back")
""",
)
PLAINLY = SERVICES.format(
    switch_on="import baggage; baggage.instrument(service='front')", instrument=""
)
ASKS = """
import os, requests
def test_asks():
    requests.get(os.environ["FRONT_URL"], timeout=300)
"""


@pytest.fixture
def by_hand(shell: Shell) -> Shell:
    """A directory whose files start services, with nothing but a Python interpreter."""
    shell.write("drop_ins.py", DROP_INS)
    shell.write("plainly.py", PLAINLY)
    shell.write("test_asks.py", ASKS)
    return shell


def explore(shell: Shell, file: str, theirs: dict[str, str], ours: dict[str, str]) -> Ended:
    """Start the services of a file with an environment, and explore them with another."""
    with shell.start(sys.executable, file, **theirs) as services:
        assert services.stdout is not None
        try:
            url = f"http://127.0.0.1:{int(services.stdout.readline())}/"
            return shell.filibuster("--functional-test", "test_asks.py", FRONT_URL=url, **ours)
        finally:
            services.kill()


def test_services_started_by_hand_and_explorer_of_one_user_find_together(by_hand: Shell) -> None:
    ended = explore(by_hand, "drop_ins.py", {}, {})
    assert ended.code == 0, ended.err
    assert ended.totals == Totals(6, ran=6, pruned=0, remaining=0)
    key = by_hand.directory / "state" / "filibuster" / "key"
    assert key.stat().st_mode & 0o777 == 0o600


NOBODY = "filibuster: no service was seen to call another: instrument the services, and switch"


@pytest.mark.parametrize(
    ("file", "theirs", "ours"),
    [
        ("plainly.py", {}, {}),
        ("drop_ins.py", {"FILIBUSTER_KEY": "theirs"}, {"FILIBUSTER_KEY": "ours"}),
        ("drop_ins.py", {"FILIBUSTER_KEY": "theirs"}, {}),
        ("drop_ins.py", {"DISABLE_INSTRUMENTATION": "1"}, {}),
    ],
    ids=["no key", "another key", "no key here", "switched off"],
)
def test_where_injection_is_not_switched_on_for_us_nothing_counts_as_passed(
    file: str, theirs: dict[str, str], ours: dict[str, str], by_hand: Shell
) -> None:
    ended = explore(by_hand, file, theirs, ours)
    assert ended.code == 2
    assert ended.err.startswith(NOBODY)
    assert ended.err.count("\n") == 1
    assert "injected" not in ended.out


def test_services_with_the_run_s_key_are_explored_whoever_started_them(by_hand: Shell) -> None:
    key = {"FILIBUSTER_KEY": "a key"}
    assert explore(by_hand, "plainly.py", key, key).totals.ran == 6
    assert by_hand.run(FILIBUSTER, "services", "status").code == 2


def test_a_service_that_ended_is_not_shown_as_running(shell: Shell) -> None:
    sleeps = 'command = ["{python}", "-c", "import time; time.sleep(600)"]\nready = false\n'
    shell.write("services.toml", f"[services.brief]\n{sleeps}\n[services.lasting]\n{sleeps}")
    started = shell.filibuster("services", "start").out.splitlines()

    def ended() -> list[str]:
        lines = shell.filibuster("services", "status").out.splitlines()
        return [line for line in lines if line.endswith("  ended")]

    try:
        assert ended() == []
        os.kill(int(started[0].split()[-1]), signal.SIGKILL)
        eventually(ended)
        assert ended() == [f"{started[0]}  ended"]
    finally:
        assert shell.filibuster("services", "stop").code == 0
