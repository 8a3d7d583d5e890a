"""Deferrals: a fork whose child runs later, wherever the last of those ends that it waits for."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from baggage.boundary import Boundary, Deferral, Deferred, Kind, Policy, Proceed, Raised
from baggage.context import Branch, attached, branch, pack, suppressed, unpack
from baggage.testing import Parcel, ParcelAdapter, Recorder, Scripted
from baggage.values import EMPTY, Direction, key
from baggage.wire import NAME
from tests.boundary.parts import DOWN, strict

HOME = key("recorder.home", direction=Direction.HOME)
ADAPTER = ParcelAdapter(Kind.SPAWN)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def boundary(recorder: Recorder) -> Boundary:
    return strict(recorder)


def deferred(boundary: Boundary) -> Parcel:
    """Put a fork off; return what was kept of it."""
    kept = Parcel()
    deferral = Deferral.of(boundary, ADAPTER, kept)
    assert deferral is not None
    deferral.start(deferral.put)
    return kept


def resumed(boundary: Boundary, kept: Parcel, work: Callable[[], object] = lambda: None) -> object:
    """Do some work elsewhere that was put off."""
    child = Deferred(boundary, ADAPTER, kept)
    try:
        return child.resume(work)
    finally:
        child.end()


def test_the_child_knows_its_parent_and_whoever_goes_on_with_it(boundary: Boundary) -> None:
    with attached(Branch()):
        pack("steps", "parent")
        kept = deferred(boundary)
        pack("steps", "later")
    with attached(Branch()):
        pack("steps", "a part")
        assert resumed(boundary, kept, lambda: sorted(unpack("steps"))) == ["a part", "parent"]
        assert unpack("steps") == ("a part",)


def test_keys_that_travel_down_are_the_parents(boundary: Boundary) -> None:
    boundary.register(Scripted(Proceed(down={DOWN: "of the fork"}), kinds={Kind.SPAWN}))
    with attached(Branch()):
        kept = deferred(boundary)
    with attached(EMPTY.with_down({DOWN: "of a part"})):
        assert resumed(boundary, kept, lambda: unpack(DOWN)) == ("of the fork",)


def test_flows_hear_that_it_is_put_off_and_once_that_it_runs(
    boundary: Boundary, recorder: Recorder
) -> None:
    kept = deferred(boundary)
    child = Deferred(boundary, ADAPTER, kept)
    child.resume(lambda: None)
    child.resume(lambda: None)
    assert [each.call.kind for each in recorder.ended] == [Kind.SPAWN]
    child.end(KeyError("x"))
    assert [each.call.kind for each in recorder.ended] == [Kind.SPAWN, Kind.RUN]
    assert isinstance(recorder.ended[1].outcome, Raised)


def test_what_it_brings_home_goes_to_its_owners(boundary: Boundary, recorder: Recorder) -> None:
    with attached(Branch()):
        pack("tenant", "blue")
        kept = deferred(boundary)
        pack(HOME, "the parent's")
        resumed(boundary, kept, lambda: pack(HOME, "the child's"))
        assert unpack(HOME) == ("the parent's",)
    assert recorder.lost == [(HOME.name, "the child's")]


def test_what_it_knows_so_far_can_be_answered(boundary: Boundary) -> None:
    with attached(Branch()):
        pack("tenant", "blue")
        kept, answer = deferred(boundary), Parcel()
    child = Deferred(boundary, ADAPTER, kept)
    child.resume(lambda: pack("steps", "child"))
    child.answer(answer)
    child.end()
    boundary.bring_back(answer)
    assert (unpack("tenant"), unpack("steps")) == (("blue",), ("child",))


def test_it_is_a_part_of_its_parents_request(boundary: Boundary) -> None:
    with attached(Branch()):
        pack("tenant", "blue")
        kept, message = deferred(boundary), Parcel()
        publication = boundary.publish(ParcelAdapter(Kind.PRODUCER), message)
        assert publication is not None
        publication.send(lambda: None)

    def is_akin() -> bool:
        delivery = boundary.receive(ParcelAdapter(Kind.CONSUMER), message)
        assert delivery is not None
        return delivery.akin(branch())

    assert resumed(boundary, kept, is_akin)


def test_where_nothing_is_carried_nothing_is_kept() -> None:
    boundary = strict()
    assert not deferred(boundary).headers
    with attached(Branch()):
        assert not deferred(boundary).headers
    with suppressed():
        pack("tenant", "blue")
        assert not deferred(boundary).headers


def test_nothing_is_kept_where_it_may_not_be_read(recorder: Recorder) -> None:
    boundary = Boundary(Policy(service="here", hosts=("friend",)), (recorder,))
    with attached(Branch()):
        pack("tenant", "blue")
        assert not deferred(boundary).headers


def test_garbage_is_as_nothing(boundary: Boundary) -> None:
    kept = Parcel()
    kept.set(NAME, f"{NAME}=nonsense")
    kept.set("baggage-message", "request=nonsense")
    assert resumed(boundary, kept, lambda: unpack("tenant")) == ()
