"""`filibuster run --fault`: what it shows, what it leaves behind, and its exit codes."""

from __future__ import annotations

import json

import pytest

from tests.filibuster.conftest import Deployed
from tests.filibuster.faults.running import SERVICES
from tests.filibuster.shell import Ended, Shell

ASKS = """
import os, requests
def test_asks():
    answer = requests.get(os.environ["FRONT_URL"] + "/call/{path}", timeout={patience})
    assert "answer" in answer.text or "put" in answer.text, answer.text
"""

TWICE = """
import os, requests
def test_twice():
    for _ in range(2):
        requests.get(os.environ["FRONT_URL"] + "/call/once/requests", timeout=300)
"""


@pytest.fixture
def faults(shell: Shell, deployed: Deployed) -> Shell:
    return Shell(shell.directory, deployed(SERVICES))


def run(
    shell: Shell, path: str, *faults: str, more: tuple[str, ...] = (), patience: int = 300
) -> Ended:
    shell.write("test_asks.py", ASKS.format(path=path, patience=patience))
    given = [word for fault in faults for word in ("--fault", fault)]
    return shell.filibuster("run", "--functional-test", "test_asks.py", *given, *more)


def test_a_test_that_fails_under_a_fault_by_hand_leaves_a_counterexample(faults: Shell) -> None:
    ended = run(faults, "once/requests", "front→back: status 503")
    assert ended.code == 1, ended.err
    assert ended.failed == ["front → back GET /serve/item: 503"]
    kept = json.loads((faults.directory / "counterexample.json").read_text())
    assert [fault["label"] for fault in kept["faults"]] == [
        "front → back GET /serve/item: status 503"
    ]
    again = faults.filibuster("replay", "counterexample.json")
    assert (again.code, "Reproduced" in again.out) == (1, True)


def test_a_test_that_stands_a_fault_by_hand_passes(faults: Shell) -> None:
    ended = run(faults, "retry/requests", "front -> back: timeout first 2")
    assert ended.code == 0, ended.err
    assert "The test passes" in ended.out
    assert not (faults.directory / "counterexample.json").exists()


def test_calls_of_the_same_words_are_told_apart(faults: Shell) -> None:
    faults.write("test_twice.py", TWICE)
    options = ("--functional-test", "test_twice.py", "--fault", "front→back: status 503")
    ended = faults.filibuster("run", *options)
    assert ended.code == 0, ended.err
    words = "front → back GET /serve/item"
    assert ended.judged[-1].plan == f"{words} (1st of 2): 503 + {words} (2nd of 2): 503"


def test_a_message_is_called_in_plans_as_it_is_in_the_tree_and_that_may_be_written(
    faults: Shell,
) -> None:
    ended = run(faults, "queue", "front → queue Queue: duplicate")
    assert ended.code == 0, ended.err
    first, second = "front → queue Queue", "front → queue Queue #2"
    assert ended.judged[-1].plan == f"{first}: duplicate + {second}: duplicate"
    assert ended.out.count(f"✗ {first}  duplicate injected") == 2


def test_latency_is_simulated_unless_it_shall_be_real(faults: Shell) -> None:
    ended = run(faults, "through", "mid→back: delay 1s")
    assert ended.code == 1, ended.err
    assert "200 injected after 1 simulated s" in ended.out
    assert "requests.exceptions.ReadTimeout after 2 simulated s" in ended.out
    assert "simulated 2 s" in ended.out
    ended = run(faults, "retry/requests", "front→back: delay 5s", patience=14)
    assert ended.code == 1, ended.err
    # Three attempts take fifteen seconds, and the test itself gives up before.
    assert "requests.exceptions.ReadTimeout after 14 simulated s" in ended.out
    ended = run(faults, "through", "mid→back: delay 10ms", more=("--latency", "real"))
    assert (ended.code, "simulated" in ended.out) == (0, False), ended.err


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("front→bakc: refused", "did you mean 'front→back'? There are: front→back GET /serve/item"),
        ("front→back: refusd", "did you mean 'refused'?"),
        ("front→back: NOT_FOUND", "NOT_FOUND is no fault of requests"),
        ("front→back: edit drop nothing", "not injected: front → back GET /serve/item: body drop"),
        ("front→back: raise os.Nonsense", "not injected: front → back GET /serve/item: raise"),
    ],
)
def test_a_fault_that_never_happens_never_passes(faults: Shell, fault: str, said: str) -> None:
    ended = run(faults, "once/requests", fault)
    assert ended.code == 2
    assert said in ended.err
    assert ended.err.count("\n") == 1


FAULTS = [
    "front→back: delay 5s",
    "front→back: edit null user",
    "front→back: timeout late",
    "front→back: status 503 first 2",
]


def explored(shell: Shell, path: str, *faults: str) -> dict[str, str]:
    """Explore with an analysis file of faults in words; return the verdicts by plan."""
    shell.write("test_asks.py", ASKS.format(path=path, patience=300))
    shell.write("analysis.json", json.dumps({"mine": {"faults": faults}}))
    given = ("--functional-test", "test_asks.py", "--analysis-file", "analysis.json")
    ended = shell.filibuster("run", *given)
    return {judged.plan: judged.verdict for judged in ended.judged if judged.how != "Pruned"}


def test_a_search_tries_faults_in_words(faults: Shell) -> None:
    call = "front → back GET /serve/item"
    late = "requests.exceptions.ReadTimeout"
    assert explored(faults, "once/requests", *FAULTS) == {
        "no faults": "passed",
        f"{call}: delay 5 s, {late}": "FAILED",
        f"{call}: body null user, 200": "passed",
        f"{call}: timeout late, {late}": "FAILED",
        # One attempt is all that there is.
        f"{call}: 503 + {call} #2: status 503 (not hit)": "FAILED",
    }


def test_a_search_tries_faults_of_messages(faults: Shell) -> None:
    first, second = "front → queue Queue", "front → queue Queue #2"
    assert explored(faults, "queue", "front→queue: duplicate") == {
        "no faults": "passed",
        f"{first}: duplicate": "passed",
        f"{second}: duplicate": "passed",
        f"{first}: duplicate + {second}: duplicate": "passed",
    }
