"""A message is two spans: a put, and below it all that its consumer does."""

from __future__ import annotations

from contextvars import Context
from pathlib import Path

from click.testing import CliRunner

from baggage.boundary import Boundary, Kind, Policy, finish
from baggage.instrumentation._queue_adapter import QueueAdapter
from baggage.testing import Parcel, ParcelAdapter
from metaapps.tracing.app import Tracing
from metaapps.tracing.cli import main
from metaapps.tracing.export.file import TraceFile
from metaapps.tracing.span import Span

ADAPTER = QueueAdapter("queue", frozenset())


class Jobs:
    pass


def spans(path: Path) -> list[Span]:
    """Serve a request that leaves a job to a worker, which makes a call."""
    ended: list[Span] = []
    file = TraceFile(path)

    def report(span: Span) -> None:
        ended.append(span)
        file.report(span)

    boundary = Boundary(Policy(service="shop", strict=True), (Tracing(report),))
    arrival = boundary.arrive(ParcelAdapter(Kind.SERVER), Parcel())
    assert arrival is not None
    with arrival.scope():
        arrival.begin()
        message = boundary.hand_over(ADAPTER, Jobs)
        assert message is not None
        message.send(lambda: None)
        arrival.end(arrival.answered(Parcel()))
    arrival.close()

    def work() -> None:
        message.take("a job")
        boundary.call(ParcelAdapter(), Parcel(), Parcel)
        finish()

    Context().run(work)
    return ended


def test_a_consumer_stands_below_the_producer_and_its_calls_below_it(tmp_path: Path) -> None:
    put, server, call, taken = spans(tmp_path / "trace.json")
    kinds = [span.kind for span in (server, put, taken, call)]
    assert kinds == [Kind.SERVER, Kind.PRODUCER, Kind.CONSUMER, Kind.CLIENT]
    for above, below in ((server, put), (put, taken), (taken, call)):
        assert below.position.parent_id == above.position.span_id
    assert (put.name, taken.name) == ("Jobs", "Jobs")
    assert taken.duration > 0


def test_a_put_that_goes_to_no_other_service_is_shown_without_one(tmp_path: Path) -> None:
    spans(tmp_path / "trace.json")
    shown = CliRunner().invoke(main, ["show", str(tmp_path / "trace.json")]).output
    assert "shop  jobs  (producer)  " in shown
    assert "shop  jobs  (consumer)  " in shown
