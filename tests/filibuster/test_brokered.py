"""What consumers tell of the messages that they take, in whichever process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextvars import Context
from dataclasses import dataclass, replace
from typing import Any

import pytest

from baggage.boundary import Boundary, Call, Delivery, Kind, Policy
from baggage.context import Branch, attached
from baggage.testing import Parcel, ParcelAdapter
from baggage.values import EMPTY
from metaapps.filibuster.app import Filibuster
from metaapps.filibuster.brokered import MOST_DELIVERIES
from metaapps.filibuster.coordinator import Coordinator, Inbox
from metaapps.filibuster.deliveries import is_delivery, placed
from metaapps.filibuster.finding import FindingKind
from metaapps.filibuster.lineage import ROOT
from metaapps.filibuster.observation import Observation, Role, open_branches
from metaapps.filibuster.orders import LINEAGE, ORDERS, Orders
from metaapps.filibuster.tree import Tree, build
from metaapps.filibuster.wire import encode_lineage, encode_orders

KEY = b"a key"


@dataclass(frozen=True, slots=True)
class Counting(ParcelAdapter):
    """An adapter of consumers whose broker says which delivery this is."""

    kind: Kind = Kind.CONSUMER
    delivery: int = 0
    resumed: bool = False

    def describe(self, request: Parcel) -> Call:
        described = ParcelAdapter.describe(self, request)
        return replace(described, delivery=self.delivery, resumed=self.resumed)


class Post:
    """A message that a shop has published, and processes that take it."""

    def __init__(self, coordinator: Coordinator) -> None:
        self.inbox: Inbox = coordinator.open("e")
        self.apps: list[Filibuster] = []
        # What dies with its process ends nothing here.
        self.kept: list[object] = []
        expires = int(time.time()) + 3600
        orders = Orders("e", coordinator=coordinator.address, expires=expires)
        down = {ORDERS: encode_orders(orders, KEY), LINEAGE: encode_lineage(ROOT)}
        self.parcel = Parcel()
        with attached(Branch(EMPTY.with_down(down))) as request:
            publication = self.process("shop").publish(ParcelAdapter(Kind.PRODUCER), self.parcel)
            assert publication is not None
            publication.send(lambda: None)
            seen = request.unpack("filibuster.seen")
        self.published = seen

    def process(self, service: str = "worker") -> Boundary:
        self.apps.append(Filibuster((KEY,)))
        return Boundary(Policy(service=service, strict=True), (self.apps[-1],))

    def take(self, at: Boundary, delivery: int = 0, **how: Any) -> Delivery:
        """Take the message, call somebody, and end; `again` gives it back, `dies` does not end."""
        adapter = Counting(delivery=delivery, resumed=how.get("resumed", False))
        taken = at.receive(adapter, Parcel(dict(self.parcel.headers)))
        assert taken is not None

        def work() -> None:
            if how.get("dies"):
                taken.take(None, "orders")
                at.call(ParcelAdapter(), Parcel(), Parcel)
                return
            with taken.opened():
                at.call(ParcelAdapter(), Parcel(), Parcel)
                if how.get("again"):
                    taken.requeued()

        context = Context()
        context.run(work)
        self.kept.append((context, taken))
        assert all(app.flush(300) for app in self.apps)
        return taken

    @property
    def heard(self) -> tuple[Observation, ...]:
        return placed(self.inbox.settle(0))

    @property
    def tree(self) -> Tree:
        events = [one for one in self.heard if one.role is not Role.END]
        message = {one.parent for one in events if is_delivery(one)}
        parent = next(iter(message))
        begun = Observation(role=Role.BRANCH, index=parent, parent=ROOT.index, position=0)
        return build([begun, *events])

    @property
    def deliveries(self) -> list[tuple[str, int]]:
        return [(one.operation, one.occurrence) for one in self.tree.preorder if is_delivery(one)]


@pytest.fixture
def post() -> Iterator[Post]:
    with Coordinator(KEY) as coordinator:
        yield Post(coordinator)


WORKER = "worker: SEND parcel"


@pytest.mark.parametrize("counts", [(1, 2, 3), (1, 2, 2), (0, 0, 0)])
def test_processes_that_know_nothing_of_one_another_count_together(
    post: Post, counts: tuple[int, ...]
) -> None:
    for count in counts:
        post.take(post.process(), count, again=count != counts[-1])
    assert post.deliveries == [(WORKER, number) for number in (1, 2, 3)]
    assert post.tree.findings == ()
    calls = [one for one in post.tree.preorder if one.role is Role.CALL]
    assert len({call.index for call in calls}) == 3


def test_first_deliveries_that_cannot_be_told_apart_are_ambiguous(post: Post) -> None:
    for _ in range(2):
        post.take(post.process(), 1)
    (finding,) = post.tree.findings
    assert finding.kind is FindingKind.AMBIGUOUS
    assert {one.index for one in post.tree.calls} <= post.tree.ambiguous


def test_who_goes_on_for_one_that_was_lost_ends_what_that_began(post: Post) -> None:
    post.take(post.process(), 1, dies=True)
    assert len(open_branches(post.heard)) == 1
    post.take(post.process(), 1, resumed=True, again=True)
    assert open_branches(post.heard) == ()
    post.take(post.process(), 2)
    assert post.deliveries == [(WORKER, 1), (f"{WORKER} (lost)", 1), (WORKER, 2)]
    assert post.tree.findings == ()


def test_what_is_delivered_for_ever_is_left_alone(post: Post) -> None:
    worker = post.process()
    for number in range(1, MOST_DELIVERIES + 5):
        post.take(worker, number, again=True)
    assert len(post.deliveries) == MOST_DELIVERIES
