"""The showcase keeps its promises: its numbers are worked out here, and what it finds is so."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from baggage.boundary import Kind
from examples.showcase.demo import SPANS, dunes, siblings
from examples.showcase.shell import HERE, Shell, prepared
from metaapps.filibuster.deliveries import is_delivery
from metaapps.filibuster.observation import Observation, Role
from metaapps.filibuster.store import FILE, Store
from metaapps.tracing.causality import Causality
from metaapps.tracing.export.zipkin import decode_array
from metaapps.tracing.span import Span
from tests.brokers import redis_url
from tests.filibuster.examples import told
from tests.filibuster.shell import BIN, ROOT, processes
from tests.filibuster.shell import Shell as Commands
from tests.tracing.zipkin_server import Zipkin, zipkin

__all__ = ["redis_url", "zipkin"]

METERED = Path(__file__).with_name("metered.py")

# What one book makes all services read, from whom, by which library.
ORDER, QUOTE = b'{"book":"dock 1","paid":4250}\n', b'{"by": "bike", "cents": 350}'
BIKE, VAN = b'{"by": "bike", "cents": 350}', b'{"by": "van", "cents": 600}'
CHARGE, PARCEL, COVER, PAGES = b"charged", b"will be fetched", b"120", b"780"
READ = {
    "requests": (ORDER, QUOTE, CHARGE, PARCEL),
    "aiohttp": (BIKE, VAN),
    "grpc": (COVER, PAGES),
}
# Two tasks, two jobs, a payment and the answer to it, and a task of Celery's: nobody reads them.
SENT = {"asyncio": 2, "concurrent.futures": 2, "queue": 2, "celery": 1}
BILL = {library: (len(read), len(b"".join(read))) for library, read in READ.items()} | {
    library: (times, 0) for library, times in SENT.items()
}
CROSSINGS, BYTES = 15, 141
MILLIJOULES = 40 * CROSSINGS + BYTES


class Showcase(NamedTuple):
    """The showcase's copy, what came of the orders, and the spans of blue's."""

    shell: Shell
    orders: Sequence[Mapping[str, Any]]
    trace: Sequence[Span]
    zipkin: Zipkin | None


@pytest.fixture(scope="module")
def showcase(
    tmp_path_factory: pytest.TempPathFactory, redis_url: str, request: pytest.FixtureRequest
) -> Iterator[Showcase]:
    """Start the services; order a book for blue and two for green, at the same time."""
    try:
        zipkin: Zipkin | None = request.getfixturevalue("zipkin")
    except pytest.skip.Exception:
        zipkin = None
    directory = tmp_path_factory.mktemp("showcase") / "copy"
    more = {} if zipkin is None else {"TRACING_URL": zipkin.url, "TRACING_INTERVAL": "0.02"}
    with ExitStack() as stack:
        shell = stack.enter_context(prepared(directory, REDIS_URL=redis_url, **more))
        stack.enter_context(shell.services("services.toml"))
        orders = ordered(shell)
        yield Showcase(shell, orders, dunes(shell), zipkin)


def ordered(shell: Shell) -> list[Mapping[str, Any]]:
    said = shell.among_services().run("baggage", "run", "python", "order.py")
    orders: list[Mapping[str, Any]] = json.loads(said)
    return orders


def billed(order: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    return {use["resource"]: (use["times"], use["bytes"]) for use in order["used"]}


# The bill


def test_the_bill_is_what_the_orders_come_to_by_hand(showcase: Showcase) -> None:
    assert sum(times for times, _ in BILL.values()) == CROSSINGS
    assert sum(size for _, size in BILL.values()) == BYTES
    blue, green = showcase.orders
    assert blue["answers"] == [json.loads(ORDER)]
    assert billed(blue) == BILL
    assert sum(use["millijoules"] for use in blue["used"]) == MILLIJOULES == 741
    assert green["answers"] == [json.loads(ORDER)] * 2
    assert billed(green) == {name: (2 * times, 2 * size) for name, (times, size) in BILL.items()}


def test_the_bill_counts_what_the_trace_has(showcase: Showcase) -> None:
    departed = (Kind.CLIENT, Kind.PRODUCER)
    spans = Counter(span.tags["library"] for span in showcase.trace if span.kind in departed)
    bill = billed(showcase.orders[0])
    # Tasks and jobs of pools have no spans here.
    assert spans == {library: bill[library][0] for library in (*READ, "queue", "celery")}


def test_without_redis_it_comes_to_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    monkeypatch.setenv("PATH", str(BIN))
    with prepared(tmp_path / "copy") as shell, shell.services("services-fixed.toml"):
        assert "REDIS_URL" not in shell.environment
        assert billed(ordered(shell)[0]) == BILL
        test = ("--functional-test", "functional/test_books.py")
        written = shell.run("filibuster", "run", *test, "--fault", "freight→*: refused")
        assert "freight → bike" in written


# The trace


def test_those_asked_by_gather_are_true_siblings(showcase: Showcase) -> None:
    trace = showcase.trace
    assert len(trace) == SPANS
    assert len({span.local.service for span in trace}) == 8
    assert siblings(trace, "bike", "van")


def test_the_critical_path_leads_through_the_slower_sibling_and_the_press(
    showcase: Showcase,
) -> None:
    trace = showcase.trace
    (root,) = (span for span in trace if span.kind is Kind.CLIENT and not span.position.parent_id)
    path = [step.span for step in Causality.of(trace).critical_path(root)]
    services = {span.local.service for span in path}
    assert {"order", "desk", "freight", "ink", "bank", "press"} <= services
    # Most often that is van, but a machine may stall.
    asked = (span for span in trace if span.kind is Kind.CLIENT)
    offers = (span for span in asked if span.tags["library"] == "aiohttp")
    faster, slower = sorted(offers, key=lambda span: span.timestamp + span.duration)
    assert slower.remote.service in services
    assert faster.remote.service not in services


def test_a_real_zipkin_shows_the_same_siblings(showcase: Showcase) -> None:
    if showcase.zipkin is None:
        pytest.skip("no Zipkin")
    trace = showcase.trace
    trace_id = trace[0].position.trace_id
    kept = decode_array(showcase.zipkin.trace(trace_id, spans=SPANS))
    assert {span.position.span_id for span in kept} == {span.position.span_id for span in trace}
    assert siblings(kept, "bike", "van")


# The bug


def test_meter_and_filibuster_count_the_same_in_every_execution(showcase: Showcase) -> None:
    """And with one worker it's explored and pruned as it is with eight."""
    lines = showcase.shell.directory / "metered"
    shell = replace(
        showcase.shell, environment={**showcase.shell.environment, "METERED": str(lines)}
    )
    analysis = ("--analysis-file", "analysis.json", "--workers", "1", "--settle", "60")
    command = ("filibuster", "run", "--functional-test", str(METERED), *analysis)
    written = shell.run(*command, code=1)
    row = told("showcase", "`services.toml`")
    assert f"explored {row.ran} of {row.executions}, {row.pruned} pruned" in written
    with Store.open(shell.directory / ".filibuster" / FILE) as store:
        executions = [each for _, each in store.committed(1) if each is not None]
    counted = [crossings(execution.observations) for execution in executions]
    used = [Counter(json.loads(line)) for line in lines.read_text().splitlines()]
    assert used == counted


def crossings(observations: Sequence[Observation]) -> Counter[str]:
    """Return how often each library was crossed, says Filibuster."""
    seen = [each for each in observations if each.role in (Role.CALL, Role.BRANCH)]
    return Counter(each.library for each in seen if not is_delivery(each) and each.library)


def test_the_showcase_finds_what_it_promises_and_leaves_nothing(
    tmp_path: Path, redis_url: str
) -> None:
    commands = Commands(tmp_path)
    demo = (sys.executable, "-m", "examples.showcase.demo")
    ended = commands.run(*demo, PYTHONPATH=str(ROOT), TMPDIR=str(tmp_path), REDIS_URL=redis_url)
    assert ended.code == 0, ended.err
    out = ended.out
    buggy, fixed = (told("showcase", f"`services{which}.toml`") for which in ("", "-fixed"))
    totals = re.findall(r"explored (\d+) of (\d+), (\d+) pruned", out)
    expected = [(str(row.ran), str(row.executions), str(row.pruned)) for row in (buggy, fixed)]
    assert totals == expected
    reasons = re.findall(r"(\d+) × freight answers GET /quote as in execution (\d+): (.*)", out)
    assert reasons == [
        ("30", "16", "bike refused + van refused"),
        ("24", "1", "no faults"),
        ("12", "2", "bike refused"),
    ]
    assert f"{buggy.failed} executions failed" in out
    assert "3900 cents paid, and there is no book" in out
    assert "Reproduced: the test fails as recorded." in out
    assert "The counterexample passes now" in out
    assert shown_in_the_readme() - {untimed(line) for line in out.splitlines()} == set()
    assert re.search(rf"in all +15× +141 +{MILLIJOULES} +30× +282 +{2 * MILLIJOULES}\n", out)
    assert processes(tmp_path) == []


def shown_in_the_readme() -> set[str]:
    """Return what the README shows of what is printed, without times."""
    (shown,) = re.findall(
        r"\$ make showcase\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL
    )
    lines = {untimed(line) for line in shown.splitlines()}
    assert lines
    return lines


def untimed(line: str) -> str:
    return re.sub(r"[\d.]+(?= (ms|s)\b)", "N", line.strip())


def test_no_service_knows_of_baggage() -> None:
    for service in (HERE / "services").glob("*.py"):
        assert not re.search(r"baggage|metaapps", service.read_text().lower()), service
