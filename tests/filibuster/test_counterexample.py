"""A counterexample says in a file what failed, and reads back as the plan that it was."""

from __future__ import annotations

import json
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baggage.boundary import CallSite, Fault, FaultKind
from metaapps.filibuster.counterexample import CounterexampleError, file_name, load, save
from metaapps.filibuster.index import DIGEST_SIZE, ROOT
from metaapps.filibuster.observation import Execution, Failure, Observation, Role
from metaapps.filibuster.plan import FAULT_FREE, Plan, PlannedFault

INDICES = st.binary(min_size=DIGEST_SIZE, max_size=DIGEST_SIZE)
FAULTS = st.builds(
    Fault,
    st.sampled_from(FaultKind),
    st.none() | st.integers(100, 599),
    st.none() | st.text(),
    st.none() | st.binary(),
)
PLANNED = st.builds(PlannedFault, INDICES, FAULTS, st.text(), st.text())
PLANS = st.builds(
    lambda faults: Plan(tuple(faults)),
    st.lists(PLANNED, min_size=1, max_size=4, unique_by=lambda planned: planned.index),
)
REFUSED = PlannedFault(b"1" * DIGEST_SIZE, Fault(FaultKind.REFUSED), "bar", "foo → bar: refused")


def failed(plan: Plan, *seen: Observation) -> Execution:
    return Execution(plan, seen, Failure("AssertionError: so it is", "Traceback …"))


@given(PLANS)
def test_a_plan_reads_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, plan: Plan) -> None:
    path = tmp_path_factory.mktemp("found") / "it.json"
    save(path, failed(plan), "test.py")
    known = load(path)
    assert known.plan.faults == plan.faults
    assert [p.target for p in known.plan.faults] == [p.target for p in plan.faults]
    assert (known.functional_test, known.summary) == ("test.py", "AssertionError: so it is")


@given(PLANS, PLANS)
def test_two_plans_share_a_name_only_if_they_are_one(one: Plan, other: Plan) -> None:
    assert (file_name(one) == file_name(other)) is (
        one.key == other.key and told(one) == told(other)
    )


def told(plan: Plan) -> list[str]:
    return [planned.target for planned in plan.faults]


@given(PLANS)
def test_a_name_fits_any_file_system(plan: Plan) -> None:
    name = file_name(plan)
    assert len(name) <= 100
    assert name.isascii()
    assert "/" not in name
    assert not name.startswith("..")


def test_a_name_says_what_fails() -> None:
    status = PlannedFault(b"2" * DIGEST_SIZE, Fault(FaultKind.STATUS, 503), "baz")
    assert file_name(Plan((REFUSED, status))).startswith("bar-refused+baz-status-503-")
    dropped = PlannedFault(b"3" * DIGEST_SIZE, Fault(FaultKind.DROP), "", "foo → Queue #5: drop")
    assert file_name(Plan((dropped,))).startswith("drop-")


def test_the_file_says_in_words_which_call_failed_and_how(tmp_path: Path) -> None:
    seen = Observation(
        role=Role.CALL,
        index=REFUSED.index,
        parent=ROOT,
        position=0,
        source="foo",
        target="bar",
        library="requests",
        method="get",
        operation="GET /bar",
        arguments="url='http://bar/bar'",
        site=CallSite("app", "foo", 7),
        raised="requests.exceptions.ConnectionError",
        injected=REFUSED.fault,
    )
    save(tmp_path / "it.json", failed(Plan((REFUSED,)), seen), "test.py")
    content = json.loads((tmp_path / "it.json").read_text())
    assert content == {
        "format": "filibuster counterexample",
        "version": 1,
        "functional_test": "test.py",
        "faults": [
            {
                "execution_index": REFUSED.index.hex(),
                "kind": "refused",
                "target": "bar",
                "label": "foo → bar: refused",
                "call": "foo → bar GET /bar",
                "method": "requests.get",
                "arguments": "url='http://bar/bar'",
                "site": "app.foo:7",
                "exception": "requests.exceptions.ConnectionError",
            }
        ],
        "failure": {"summary": "AssertionError: so it is", "details": "Traceback …"},
    }
    assert load(tmp_path / "it.json").calls == ("foo → bar GET /bar",)


def test_a_reader_sees_all_of_a_file_or_none(tmp_path: Path) -> None:
    path = tmp_path / "it.json"
    execution = Execution(Plan((REFUSED,)), (), Failure("x", "long " * 100_000))

    def write() -> None:
        for _ in range(50):
            save(path, execution, "test.py")

    writing = Thread(target=write)
    writing.start()
    while writing.is_alive():
        if path.exists():
            assert load(path).summary == "x"
    writing.join()
    assert [file.name for file in tmp_path.iterdir()] == ["it.json"]


OURS: dict[str, Any] = {"format": "filibuster counterexample", "version": 1}
ENTRY = {"execution_index": REFUSED.index.hex(), "kind": "refused"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "not a counterexample of filibuster"),
        ("3", "not a counterexample of filibuster"),
        ('{"TestExecution": {}}', "not a counterexample of filibuster"),
        (json.dumps({**OURS, "version": 99}), "version 99 is not known here"),
        (json.dumps(OURS), "a fault is not readable: KeyError('faults')"),
        (json.dumps({**OURS, "faults": 3}), "a fault is not readable"),
        (json.dumps({**OURS, "faults": [3]}), "a fault is not readable"),
        (json.dumps({**OURS, "faults": []}), "names no fault: there is nothing to replay"),
        (json.dumps({**OURS, "faults": [{**ENTRY, "kind": "x"}]}), "a fault is not readable"),
        (json.dumps({**OURS, "faults": [{**ENTRY, "status": "x"}]}), "a fault is not readable"),
        (json.dumps({**OURS, "faults": [{**ENTRY, "body": "?"}]}), "a fault is not readable"),
        (
            json.dumps({**OURS, "faults": [{**ENTRY, "execution_index": "ab"}]}),
            "'ab' is no execution index",
        ),
        (json.dumps({**OURS, "faults": [ENTRY], "failure": 3}), "a fault is not readable"),
    ],
)
def test_what_is_no_counterexample_is_refused_in_one_line(
    content: str, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "it.json"
    path.write_text(content)
    with pytest.raises(CounterexampleError) as refused:
        load(path)
    assert reason in str(refused.value)
    assert str(refused.value).startswith(f"{path}: ")
    assert "\n" not in str(refused.value)


def test_an_execution_without_faults_is_written_and_refused(tmp_path: Path) -> None:
    save(tmp_path / "it.json", failed(FAULT_FREE), "test.py")
    with pytest.raises(CounterexampleError, match="names no fault"):
        load(tmp_path / "it.json")
