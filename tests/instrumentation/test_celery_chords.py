"""Chords of Celery: a body is a join of all that its header knows, whichever task ends last."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import chain, chord, group
from celery.canvas import Signature
from celery.exceptions import ChordError

from baggage.boundary import Boundary, Kind
from baggage.context import Branch, attached, unpack
from baggage.instrumentation import celery as instrumentation
from baggage.testing import Recorder
from baggage.testing.suite import eventually
from tests.brokers import unique
from tests.instrumentation import celery_tasks as tasks
from tests.instrumentation.celery_tasks import PATIENCE, Site, serving
from tests.instrumentation.waist import Waist

after, idle, step = tasks.after.s, tasks.idle.s, tasks.step.s


@pytest.fixture(scope="module")
def instrumented() -> Waist:
    return Waist(instrumentation)


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give the file that workers write their spans to, a line for each."""
    file = tmp_path_factory.mktemp("spans") / "spans.jsonl"
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TRACING_FILE", str(file))
        yield file


@pytest.fixture(scope="module")
def redis_site(redis_url: str, traced: Path) -> Iterator[Site]:
    """Give a worker that has the header's last task send the body, whichever that is."""
    with serving(Site(redis_url, redis_url, unique("chords")), "-c", "2") as served:
        yield served


@pytest.fixture(scope="module")
def unlocking_site(
    amqp_url: str, traced: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Give a worker that has a task of Celery's own wait for the header, and send the body."""
    results = f"file://{tmp_path_factory.mktemp('results')}"
    site = Site(amqp_url, results, unique("chords"))
    with serving(site, "-P", "threads", "-c", "2") as served:
        yield served


@pytest.fixture(params=["redis_site", "unlocking_site"], scope="module")
def site(request: pytest.FixtureRequest) -> Site:
    served: Site = request.getfixturevalue(request.param)
    served.configure()
    return served


@pytest.fixture
def boundary(instrumented: Waist, site: Site) -> Iterator[Boundary]:
    with instrumented.on() as boundary:
        yield boundary


def read(result: Any) -> Any:
    return result.get(timeout=PATIENCE)


def steps() -> list[str]:
    return sorted(map(str, unpack("steps")))


CHORDS: dict[str, tuple[Callable[[], Signature], list[str]]] = {
    "a header": (lambda: chord([step("a"), step("b"), step("c")], after("z")), ["a", "b", "c"]),
    "a group before a task": (lambda: group(step("a"), step("b")) | after("z"), ["a", "b"]),
    "a task that is tried again": (
        lambda: chord([tasks.retried.s(1), step("b")], after("z")),
        ["b", "try 0"],
    ),
    "a task that becomes a chord": (
        lambda: chord([tasks.replaced_by_a_chord.s("a"), step("b")], after("z")),
        ["a", "a 1", "a 2", "a 3", "b"],
    ),
    "a chain in a header, a chain for a body": (
        lambda: chord([step("a") | after("b"), step("c")], after("d") | after("z")),
        ["a", "b", "c", "d"],
    ),
    "a chord in a header, a chord for a body": (
        lambda: chord(
            [chord([step("a"), step("b")], after("c"), app=tasks.app), step("d")],
            chord([after("e"), after("f")], after("z"), app=tasks.app),
            app=tasks.app,  # older versions don't find out by themselves
        ),
        ["a", "b", "c", "d", "e", "f"],
    ),
    "a chain of groups": (
        lambda: chain(
            step("0"), group(after("a"), after("b")), after("c"), group(after("d"), after("e")),
            after("z"),
        ),
        ["0", "a", "b", "c", "d", "e"],
    ),
    "no header": (lambda: chord([], after("z")), []),
}  # fmt: skip


ON_BOTH = [("redis_site", which) for which in CHORDS] + [
    ("unlocking_site", "a task that is tried again"),
    ("unlocking_site", "a chord in a header, a chord for a body"),
]


@pytest.mark.parametrize(("site", "which"), ON_BOTH, indirect=["site"])
def test_the_body_knows_what_all_before_it_packed_and_no_more(of_blue: Branch, which: str) -> None:
    made, expected = CHORDS[which]
    assert read(made().apply_async()) == expected
    assert steps() == sorted([*expected, "z"])
    assert unpack("tenant") == ("blue",)


def test_each_task_of_a_body_that_is_a_group_knows_all(of_blue: Branch) -> None:
    body = group(after("y"), after("z"))
    assert read(chord([step("a"), step("b")])(body)) == [["a", "b"], ["a", "b"]]


def test_headers_that_are_given_for_a_chord_are_all_tasks_own(of_blue: Branch) -> None:
    given = {"x-theirs": "1"}
    applied = chord([tasks.headers.si()], tasks.headers.si()).apply_async(headers=given)
    seen = [read(applied), *read(applied.parent)]
    assert [each["x-theirs"] for each in seen] == ["1", "1"]


def test_flows_are_told_where_a_chord_is_applied(of_blue: Branch, boundary: Boundary) -> None:
    recorder = Recorder(kinds={Kind.SPAWN})
    boundary.register(recorder)
    read(chord([step("a"), step("b")])(after("z")))
    (applied,) = (each.call for each in recorder.ended)
    here = test_flows_are_told_where_a_chord_is_applied.__name__
    assert (applied.operation, applied.site.function) == (f"chord {tasks.after.name}", here)


def test_error_callbacks_know_what_the_header_packed_and_so_does_the_bodys_result(
    of_blue: Branch,
) -> None:
    header = [step("a"), tasks.failing.s("b"), step("c")]
    result = chord(header)(after("z").on_error(tasks.give_up.s()))
    # Not `result` itself: it raises its header's error as soon as there is one, and then stands in
    # the way of who asks for the body's.
    with pytest.raises(ChordError):
        read(tasks.app.AsyncResult(result.id))
    known = read(tasks.app.AsyncResult(f"{result.id} gave up"))
    assert "b" in known
    with attached(Branch()):
        with pytest.raises(ChordError):
            read(tasks.app.AsyncResult(result.id))
        assert steps() == known


def test_the_bodys_span_is_below_whoever_applied_the_chord_and_after_the_whole_header(
    of_blue: Branch, site: Site, traced: Path
) -> None:
    def written() -> list[dict[str, Any]]:
        lines = traced.read_text().splitlines(keepends=True) if traced.exists() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def spans() -> dict[tuple[str, str], list[dict[str, Any]]]:
        """Return the spans of this time that the chord was applied, by name and kind."""
        seen = written()
        traces = {each["traceId"] for each in seen if each["name"] == tasks.applies.name} - before
        found: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for each in seen:
            if each["traceId"] in traces:
                found.setdefault((each["name"], each.get("kind", "")), []).append(each)
        return found

    before = {each["traceId"] for each in written()}
    read(tasks.app.AsyncResult(read(tasks.applies.delay())))

    wanted = {(tasks.applies.name, "CONSUMER"), (tasks.after.name, "PRODUCER")}
    eventually(lambda: len(spans().get((tasks.step.name, "CONSUMER"), ())) == 2)
    eventually(lambda: wanted <= spans().keys())
    seen = spans()
    (applied,), (sent,) = seen[tasks.applies.name, "CONSUMER"], seen[tasks.after.name, "PRODUCER"]
    assert sent["parentId"] == applied["id"]
    assert sent["tags"]["site"].startswith(f"{tasks.__name__}.applies:")
    header = {f"^{each['id']}" for each in seen[tasks.step.name, "CONSUMER"]}
    assert header <= set(sent["tags"]["causal.after"].split(","))
    assert len(header) == 2
