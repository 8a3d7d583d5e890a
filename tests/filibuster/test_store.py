"""What is stored comes back equal, outlives the process, and is nobody else's."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baggage.boundary import CallSite, Fault, FaultKind
from metaapps.filibuster.catalogue import DEFAULT
from metaapps.filibuster.deaths import Case, Late
from metaapps.filibuster.explore import Done, Event, Limits, Pruned, Ran, StopReason, explore
from metaapps.filibuster.finding import Finding, FindingKind
from metaapps.filibuster.index import ROOT
from metaapps.filibuster.observation import Death, Execution, Failure, Observation, Role
from metaapps.filibuster.plan import FAULT_FREE, Plan, PlannedFault
from metaapps.filibuster.reduce import Predictor
from metaapps.filibuster.store import FILE, Fingerprint, Record, Store, StoreError
from metaapps.filibuster.store import store as stores
from metaapps.filibuster.store.canonical import canonical_line, event_content
from metaapps.filibuster.store.database import Database
from metaapps.filibuster.store.encoding import (
    decode_execution,
    decode_plan,
    encode_observations,
    encode_plan,
    encode_rest,
    plan_key,
)
from metaapps.filibuster.wire import decode_observation, encode_observation
from tests.filibuster.random_app import random_application

SEARCH = Fingerprint("test.py", {"the functional test": "1"}, {"--reduction": "dynamic"})

TEXT = st.text(max_size=10)
INDICES = st.binary(min_size=16, max_size=16)
FAULTS = st.builds(
    Fault,
    st.sampled_from(FaultKind),
    status=st.none() | st.integers(0, 999),
    name=st.none() | TEXT,
    body=st.none() | st.binary(max_size=10),
    seconds=st.none() | st.floats(0, 100),
    edit=st.none() | TEXT,
    late=st.booleans(),
)
PLANS = st.lists(
    st.builds(PlannedFault, INDICES, FAULTS, TEXT, TEXT, st.booleans()), max_size=4
).map(lambda faults: Plan(tuple(faults)))
CLOCKS = st.dictionaries(TEXT, st.integers(1, 99), max_size=3)
SEEN = st.builds(
    Observation,
    role=st.sampled_from(Role),
    index=INDICES,
    parent=INDICES,
    position=st.integers(0, 99),
    source=TEXT,
    target=TEXT,
    site=st.builds(CallSite, TEXT, TEXT, st.integers(0, 9999)),
    payload=st.none() | st.binary(max_size=16),
    clock=CLOCKS,
    origin=CLOCKS,
    raised=st.none() | TEXT,
    status=st.none() | st.integers(0, 999),
    ok=st.booleans(),
    digest=st.none() | st.binary(max_size=16),
    injected=st.none() | FAULTS,
)
EXECUTIONS = st.builds(
    Execution,
    PLANS,
    st.lists(SEEN, max_size=5).map(tuple),
    st.none() | st.builds(Failure, TEXT, TEXT),
    st.floats(0, 100),
    st.lists(SEEN, max_size=2).map(tuple),
)


def planned(number: int, *, body: bytes | None = None) -> PlannedFault:
    return PlannedFault(bytes([number] * 16), Fault(FaultKind.REFUSED, body=body), "bar")


def executed(*numbers: int, failed: bool = False) -> Execution:
    failure = Failure("AssertionError: so it is (test.py:3)", "details") if failed else None
    return Execution(Plan(tuple(planned(number) for number in numbers)), (), failure, 0.5)


def events(seed: int, record: Record | None = None, only: int = 10_000) -> list[Event]:
    """Search a random application, with what a record holds; stop after so many new executions."""
    application = random_application(seed)
    application.run(FAULT_FREE)  # its test expects later what it was answered first
    taken: list[Event] = []

    def run(plan: Plan) -> Execution:
        found = None if record is None else record.find(plan)
        if found is not None:
            return replace(found, plan=plan)
        if application.runs > only:
            raise InterruptedError
        execution = application.run(plan)
        if record is not None:
            record.keep(execution)
        return execution

    try:
        for event in explore(run, DEFAULT, Predictor(), Limits(max_executions=60)):
            taken.append(event)
            if record is not None:
                record.commit(event)
    except InterruptedError:
        pass
    return taken


def lines(store: Store, run: int) -> list[str]:
    return list(store.exported(run))


def raw(path: Path, *statements: str) -> None:
    with sqlite3.connect(path) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


@given(execution=EXECUTIONS)
def test_an_execution_comes_back_equal(execution: Execution) -> None:
    travelled = [decode_observation(encode_observation(seen)) for seen in execution.observations]
    plan = decode_plan(encode_plan(execution.plan))
    back = decode_execution(
        plan, encode_rest(execution), encode_observations(execution.observations)
    )
    assert [repr(p) for p in back.plan.faults] == [repr(p) for p in execution.plan.faults]
    assert list(back.observations) == travelled == list(execution.observations)
    assert back == execution


@given(plan=PLANS, data=st.data())
def test_a_plan_has_one_key_whatever_the_order_of_its_faults(
    plan: Plan, data: st.DataObject
) -> None:
    shuffled = Plan(tuple(data.draw(st.permutations(plan.faults))))
    assert plan_key(shuffled) == plan_key(plan)


@given(one=PLANS, other=PLANS)
def test_different_plans_have_different_keys(one: Plan, other: Plan) -> None:
    same = sorted(map(repr, one.key)) == sorted(map(repr, other.key))
    if len(one.key) == len(one.faults) and len(other.key) == len(other.faults):
        assert (plan_key(one) == plan_key(other)) == same


def test_a_body_without_bytes_is_another_fault_than_none_at_all() -> None:
    assert plan_key(Plan((planned(1),))) != plan_key(Plan((planned(1, body=b""),)))


def test_what_was_kept_is_found_by_whoever_resumes(tmp_path: Path) -> None:
    with Store.open(tmp_path / FILE) as store:
        record = store.begin(SEARCH)
        record.keep(executed(1, failed=True))
        record.keep(executed())
    with Store.open(tmp_path / FILE) as store:
        again = store.resume(SEARCH)
        assert again is not None
        assert len(again) == 2
        assert again.find(executed(1).plan) == executed(1, failed=True)
        assert again.find(FAULT_FREE) == executed()
        assert again.find(executed(2).plan) is None
        assert executed(1).plan in again
        assert executed(2).plan not in again


def test_the_first_execution_of_a_plan_stays(tmp_path: Path) -> None:
    with Store.open(tmp_path / FILE) as store:
        record = store.begin(SEARCH)
        record.keep(executed(1))
        record.keep(executed(1, failed=True))
        assert record.find(executed(1).plan) == executed(1)


def test_nothing_is_found_that_another_run_kept(tmp_path: Path) -> None:
    with Store.open(tmp_path / FILE) as store:
        store.begin(SEARCH).keep(executed(1))
        assert store.begin(SEARCH).find(executed(1).plan) is None


@pytest.mark.parametrize("seed", range(8))
def test_a_search_that_is_resumed_commits_what_an_uninterrupted_one_does(
    seed: int, tmp_path: Path
) -> None:
    whole = events(seed)
    with Store.open(tmp_path / "whole.sqlite") as store:
        assert events(seed, store.begin(SEARCH)) == whole
        expected = lines(store, 1)
    taken: list[Event] = []
    while not taken or not isinstance(taken[-1], Done):
        with Store.open(tmp_path / FILE) as store:
            taken = events(seed, store.resume(SEARCH) or store.begin(SEARCH), only=7)
    assert taken == whole
    with Store.open(tmp_path / FILE) as store:
        assert lines(store, 1) == expected


def test_the_canonical_text_tells_of_every_event_and_of_no_time(tmp_path: Path) -> None:
    taken = events(3)
    with Store.open(tmp_path / FILE) as store:
        slow, fast = (store.begin(SEARCH) for _ in range(2))
        for record, seconds in ((slow, 3.0), (fast, 0.1)):
            for event in taken:
                if isinstance(event, Ran):
                    event = replace(event, execution=replace(event.execution, seconds=seconds))
                    record.keep(event.execution)
                record.commit(event)
        assert lines(store, slow.run) == lines(store, fast.run)
        assert len(lines(store, slow.run)) == len(taken)
    assert any(isinstance(event, Pruned) for event in taken)


def test_a_store_without_a_place_for_late_deaths_gets_one(tmp_path: Path) -> None:
    with Store.open(tmp_path / FILE) as store:
        store.begin(SEARCH).keep(executed())
    raw(tmp_path / FILE, "DROP TABLE deaths")
    with Store.open(tmp_path / FILE) as store:
        record = store.resume(SEARCH)
        assert record is not None
        case = Case((Death("shop", "exit code 3"),), (executed(1).plan,), "farewell", (FAULT_FREE,))
        record.deaths.open(case)
        assert [run.late for run in store.runs()] == [1]
        assert list(store.deaths(record.run)) == [Late(case, judged=False)]
        record.deaths.judge(Late(case, executed(1, failed=True)))
        assert list(store.deaths(record.run)) == [Late(case, executed(1, failed=True))]
        record.deaths.drop(case)  # What became of it is known.
        assert [run.late for run in store.runs()] == [1]


# Which run goes on


def test_the_last_run_of_the_same_test_goes_on(tmp_path: Path) -> None:
    other = replace(SEARCH, test="other.py")
    with Store.open(tmp_path / FILE) as store:
        for search in (SEARCH, SEARCH, other):
            store.begin(search).keep(executed())
        store.begin(SEARCH)
        resumed = store.resume(SEARCH)
        assert resumed is not None
        assert resumed.run == 2
        assert store.resume(replace(SEARCH, test="third.py")) is None


@pytest.mark.parametrize(
    "reason", [StopReason.FAULT_FREE_FAILED, StopReason.NO_CALLS, StopReason.NO_FAULTS]
)
def test_a_run_that_had_nothing_to_try_is_not_resumed(reason: StopReason, tmp_path: Path) -> None:
    with Store.open(tmp_path / FILE) as store:
        record = store.begin(SEARCH)
        record.keep(executed(failed=True))
        assert store.resume(SEARCH) is None
        record.keep(executed())
        record.commit(Done(1, 0, 0, reason))
        assert store.resume(SEARCH) is None


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (replace(SEARCH, contents={"the functional test": "2"}), "the functional test changed"),
        (replace(SEARCH, options={"--reduction": "none"}), "--reduction was dynamic and is none"),
        (replace(SEARCH, options={}), "--reduction was dynamic and is none"),
    ],
)
def test_another_search_is_not_resumed(now: Fingerprint, told: str, tmp_path: Path) -> None:
    with Store.open(tmp_path / FILE) as store:
        store.begin(SEARCH).keep(executed())
        with pytest.raises(StoreError) as caught:
            store.resume(now)
    assert str(caught.value) == (
        f"run 1 can't be resumed: {told} (leave --resume out to run afresh)"
    )


HOLDING = """
import sys
from pathlib import Path
from metaapps.filibuster.observation import Execution
from metaapps.filibuster.plan import FAULT_FREE
from metaapps.filibuster.store import Fingerprint, Store
with Store.open(Path(sys.argv[1])) as store:
    search = Fingerprint("test.py", {"the functional test": "1"}, {"--reduction": "dynamic"})
    store.begin(search).keep(Execution(FAULT_FREE))
    print("holding", flush=True)
    sys.stdin.read()
"""


def test_a_run_that_goes_on_elsewhere_is_not_resumed_until_it_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDING, str(tmp_path / FILE)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with Store.open(tmp_path / FILE) as store:
            assert [run.running for run in store.runs()] == [True]
            with pytest.raises(StoreError, match="run 1 can't be resumed: it is still running"):
                store.resume(SEARCH)
        other.kill()
        other.wait()
    with Store.open(tmp_path / FILE) as store:
        assert [run.running for run in store.runs()] == [False]
        assert store.resume(SEARCH) is not None


WRITING = """
import sys
from pathlib import Path
from metaapps.filibuster.observation import Execution
from metaapps.filibuster.plan import Plan, PlannedFault
from metaapps.filibuster.store import Fingerprint, Store
from baggage.boundary import Fault, FaultKind
with Store.open(Path(sys.argv[1])) as store:
    record = store.begin(Fingerprint("test.py", {}, {}))
    for number in range(300):
        index = number.to_bytes(16, "big")
        record.keep(Execution(Plan((PlannedFault(index, Fault(FaultKind.REFUSED)),))))
    print(record.run, len(record))
"""


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    """Nor do they when none of them finds a file yet."""
    command = [sys.executable, "-c", WRITING, str(tmp_path / FILE)]
    writing = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    told = [process.communicate()[0].split() for process in writing]
    assert sorted(told) == [[str(number), "300"] for number in range(1, 5)]
    with Store.open(tmp_path / FILE) as store:
        assert [run.executions for run in store.runs()] == [300] * 4


# Known failures


def failures(record: Record) -> list[Plan]:
    return [known.plan for known in record.known_failures()]


def ran(execution: Execution, *, hit: bool = True) -> Ran:
    calls = tuple(
        Observation(role=Role.CALL, index=p.index, parent=ROOT, position=0, injected=p.fault)
        for p in execution.plan.faults
        if hit
    )
    return Ran(2, replace(execution, observations=calls), (), 0)


def test_what_failed_is_known_to_later_runs_of_the_same_scope(tmp_path: Path) -> None:
    scoped = replace(SEARCH, scope=("--reduction",))
    with Store.open(tmp_path / FILE) as store:
        first = store.begin(scoped)
        first.commit(ran(executed(1, 2, failed=True)))
        first.commit(ran(executed(3, failed=True)))
        first.commit(ran(executed(4)))
        first.commit(ran(executed(5, failed=True), hit=False))
        assert failures(first) == []
        edited = replace(scoped, contents={"the functional test": "2"})
        assert failures(store.begin(edited)) == [executed(3).plan, executed(1, 2).plan]
        assert failures(store.begin(replace(scoped, test="other.py"))) == []
        assert failures(store.begin(replace(scoped, options={"--reduction": "none"}))) == []


def test_a_failure_that_is_gone_is_forgotten(tmp_path: Path) -> None:
    with Store.open(tmp_path / FILE) as store:
        store.begin(SEARCH).commit(ran(executed(1, failed=True)))
        later = store.begin(SEARCH)
        later.forget_failure(executed(1).plan)
        assert failures(store.begin(SEARCH)) == []


# How much is kept


def test_old_runs_make_way_and_their_failures_stay(tmp_path: Path) -> None:
    with Store.open(tmp_path / FILE) as store:
        first = store.begin(SEARCH)
        first.keep(executed(1, failed=True))
        first.commit(ran(executed(1, failed=True)))
        later: list[Record] = []
        for _ in range(stores.MOST_RUNS):
            later.append(store.begin(SEARCH))
            later[-1].keep(executed())
        assert [run.id for run in store.runs()] == list(range(stores.MOST_RUNS + 1, 1, -1))
        assert len(first) == 0
        assert failures(later[-1]) == [executed(1).plan]


def test_runs_without_executions_make_way_unless_they_go_on(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDING.replace(".keep(Execution(FAULT_FREE))", "")]
    with Store.open(tmp_path / FILE) as store:
        store.begin(SEARCH)
    with subprocess.Popen(
        [*command, str(tmp_path / FILE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with Store.open(tmp_path / FILE) as store:
            store.begin(SEARCH)
            assert [(run.id, run.running) for run in store.runs()] == [(3, False), (2, True)]
        other.kill()


def test_a_run_that_makes_way_is_not_resumed_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / FILE
    with Store.open(path) as store:
        store.begin(SEARCH).keep(executed())
    told: list[str] = []
    transaction = Database.transaction

    def meanwhile(database: Database) -> AbstractContextManager[None]:
        rows = database.execute("SELECT count(*) FROM runs")
        if rows == [(2,)]:  # what comes now is the removal
            done = subprocess.run(
                [sys.executable, "-c", RESUMING, str(path)], check=True, capture_output=True
            )
            told.append(done.stdout.decode())
        return transaction(database)

    monkeypatch.setattr(Database, "transaction", meanwhile)
    monkeypatch.setattr(stores, "MOST_RUNS", 1)
    with Store.open(path) as store:
        store.begin(SEARCH)
        assert [run.id for run in store.runs()] == [2]
    assert told == ["run 1 can't be resumed: it is still running\n"]


RESUMING = f"""
import sys
from pathlib import Path
from metaapps.filibuster.store import Fingerprint, Store, StoreError
with Store.open(Path(sys.argv[1])) as store:
    try:
        store.resume({SEARCH!r})
    except StoreError as error:
        print(error)
"""


def test_runs_of_too_many_bytes_make_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "MOST_BYTES", 200_000)
    # What can't be compressed.
    words = "".join(f"{plan_key(executed(n).plan).hex()}" for n in range(200))
    with Store.open(tmp_path / FILE) as store:
        for number in range(12):
            record = store.begin(SEARCH)
            for n in range(20):
                failure = Failure("AssertionError", words[n:] + str(number))
                record.keep(replace(executed(n), failure=failure))
        kept = [run.id for run in store.runs()]
        assert kept[0] == 12
        assert len(kept) < 8
    assert (tmp_path / FILE).stat().st_size < 600_000


# What is no store


def refused(path: Path) -> str:
    content = path.read_bytes()
    with pytest.raises(StoreError) as caught, Store.open(path):
        pass
    assert path.read_bytes() == content
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_store_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / FILE
    with Store.open(path) as store:
        store.begin(SEARCH)
    raw(path, "PRAGMA user_version = 2")
    assert "was written by a newer filibuster (store version 2)" in refused(path)


@pytest.mark.parametrize("content", [b"no database, but a text " * 100, b"SQLite format 3\0" * 99])
def test_what_is_no_database_is_left_alone(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / FILE
    path.write_bytes(content)
    assert "is damaged, or no store" in refused(path)


def test_a_database_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / FILE
    raw(path, "CREATE TABLE theirs (id)")
    assert "is a database, but no store of ours" in refused(path)


def broken(content: bytes, places: Iterable[int]) -> bytes:
    changed = bytearray(content)
    for place in places:
        changed[place] ^= 0xFF
    return bytes(changed)


def test_a_damaged_page_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / FILE
    with Store.open(path) as store:
        record = store.begin(SEARCH)
        for number in range(100):
            record.keep(executed(number))
    content = path.read_bytes()
    path.write_bytes(broken(content, range(4096, len(content))))
    with pytest.raises(StoreError, match="is damaged, or no store"), Store.open(path) as store:
        store.resume(SEARCH)


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="can't keep executions in"):
        Store.open(tmp_path / "file" / FILE).__enter__()


TAMPERED = [
    "UPDATE executions SET faults = 'garbage'",
    "UPDATE executions SET faults = '[1]'",
    "UPDATE executions SET faults = '{}', rest = 7",
    "UPDATE executions SET faults = replace(faults, '01', '')",
    "UPDATE executions SET faults = replace(faults, 'refused', 'unheard of')",
    "UPDATE executions SET rest = x'00'",
    "UPDATE executions SET rest = 'text'",
    "UPDATE executions SET rest = observations",
    "UPDATE executions SET observations = rest",
    "UPDATE executions SET rest = json('[]')",
    "UPDATE events SET content = 'garbage'",
    "UPDATE events SET content = '{}'",
    "UPDATE events SET content = '[]'",
    'UPDATE events SET content = \'{"event": "ran"}\'',
    "UPDATE events SET content = '{\"event\": []}'",
    "UPDATE failures SET faults = '{}'",
    "UPDATE failures SET faults = '[{}]'",
    "UPDATE runs SET fingerprint = 'garbage'",
    "UPDATE runs SET fingerprint = '[1, 2]'",
]
"""What somebody else may have done to a store; nothing of it is a plan or an execution."""


@pytest.mark.parametrize("tampering", TAMPERED)
def test_what_was_tampered_with_is_one_line_or_nothing(tampering: str, tmp_path: Path) -> None:
    path = tmp_path / FILE
    execution = replace(executed(1, failed=True), observations=(called(1),))
    with Store.open(path) as store:
        record = store.begin(SEARCH)
        record.keep(execution)
        record.commit(Ran(1, execution, (), 0))
    raw(path, tampering)
    with Store.open(path) as store:
        told = [
            caught
            for read in (
                lambda: lines(store, 1),
                lambda: list(store.begin(SEARCH).known_failures()),
                lambda: resumed(store).find(execution.plan),
            )
            if (caught := complaint(read))
        ]
    assert told
    assert all("can't be read" in line and "\n" not in line for line in told)


def complaint(read: Callable[[], object]) -> str:
    """Return what a store says of something that it can't read, "" if it can."""
    try:
        read()
    except StoreError as error:
        return str(error)
    return ""


def resumed(store: Store) -> Record:
    record = store.resume(SEARCH)
    assert record is not None
    return record


def called(number: int) -> Observation:
    """Return the observation of a call that failed as planned."""
    fault = planned(number)
    return Observation(
        role=Role.CALL, index=fault.index, parent=ROOT, position=0, injected=fault.fault
    )


def test_where_the_disk_is_full_what_was_kept_stays(tmp_path: Path) -> None:
    path, kept = tmp_path / FILE, 0
    with Store.open(path) as store:
        record = store.begin(SEARCH)
        ((pages,),) = store._database.execute("PRAGMA page_count")
        store._database.execute(f"PRAGMA max_page_count = {pages + 4}")
        while not (said := complaint(partial(record.keep, executed(kept)))):
            kept += 1
        assert "full" in said
        assert len(record) == kept > 0
    with Store.open(path) as store:
        found = resumed(store)
        assert len(found) == kept
        assert found.find(executed(kept - 1).plan) == executed(kept - 1)
        found.keep(executed(kept))


def test_a_transaction_that_cannot_end_is_undone(tmp_path: Path) -> None:
    path = tmp_path / FILE
    with Store.open(path) as store:
        database = store._database
        # Refused only where the transaction ends, as a full disk may be.
        database.execute("PRAGMA foreign_keys = ON")
        database.execute("CREATE TABLE one (id INTEGER PRIMARY KEY)")
        database.execute(
            "CREATE TABLE other (id REFERENCES one (id) DEFERRABLE INITIALLY DEFERRED)"
        )
        with pytest.raises(StoreError), database.transaction():
            database.execute("INSERT INTO other VALUES (1)")
        assert store.begin(SEARCH).run == 1
        assert database.execute("SELECT * FROM other") == []


def test_findings_that_tell_of_random_contents_are_exported_alike() -> None:
    def line(*contents: str) -> str:
        texts = [f"answered 200 ({content}) in execution 2" for content in contents]
        found = tuple(Finding(FindingKind.NONDETERMINISTIC, ROOT, text) for text in texts)
        event = Ran(1, executed(0), found, 0)
        return canonical_line(event_content(event), event.execution)

    assert line("1f2e3d4c", "cafe0001") == line("00c0ffee")
    assert "answered 200" in line("00c0ffee")
    assert "00c0ffee" not in line("00c0ffee")
