"""Spans are kept with whatever lives as long as they are needed."""

from __future__ import annotations

import gc
import socket
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

import pytest

from metaapps.tracing.bound import Bound
from metaapps.tracing.handle import NONE, Handle
from tests.tracing.tracers import Traced


class Thing:
    """Equal to every other, and not hashable."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return True


@pytest.fixture
def spans() -> Bound:
    return Bound()


@pytest.fixture
def span() -> Iterator[Handle]:
    handle = Traced().start()
    yield handle
    handle.finish()


def test_a_span_is_found_by_what_it_is_bound_to(spans: Bound, span: Handle) -> None:
    thing = Thing()
    assert spans.bind(thing, span) is thing
    assert spans.bound(thing) is span


def test_what_is_equal_is_another_thing(spans: Bound, span: Handle) -> None:
    bound, other = Thing(), Thing()
    spans.bind(bound, span)
    assert spans.bound(other) is NONE


def test_the_last_span_that_was_bound_counts(spans: Bound, span: Handle) -> None:
    thing, first = Thing(), Traced().start()
    spans.bind(thing, first)
    spans.bind(thing, span)
    assert spans.bound(thing) is span
    gone = weakref.ref(thing)
    del thing
    assert gone() is None
    assert not spans._held


def test_connections_and_sockets_can_have_spans(spans: Bound, span: Handle) -> None:
    with socket.socket() as sock:
        for thing in (HTTPConnection("localhost"), sock, lambda: None):
            spans.bind(thing, span)
            assert spans.bound(thing) is span


def test_what_cannot_be_referred_to_weakly_is_refused(spans: Bound, span: Handle) -> None:
    things: list[object] = [1, "text", [], None, ()]
    for thing in things:
        with pytest.raises(TypeError):
            spans.bind(thing, span)
        assert spans.bound(thing) is NONE
    assert not spans._held


def test_nothing_is_kept_alive(spans: Bound) -> None:
    handle = Traced().start()
    for _ in range(1000):
        spans.bind(Thing(), handle)
    assert not spans._held
    thing = Thing()
    spans.bind(thing, handle)
    handles = [each for each in gc.get_referrers(handle) if isinstance(each, tuple)]
    assert len(handles) == 1
    del thing, handles
    assert not [each for each in gc.get_referrers(handle) if isinstance(each, tuple)]


def test_what_dies_in_a_circle_is_let_go(spans: Bound, span: Handle) -> None:
    thing = Thing()
    thing.itself = thing  # type: ignore[attr-defined]
    spans.bind(thing, span)
    del thing
    gc.collect()
    assert not spans._held


def test_what_is_new_where_something_old_was_has_no_span(spans: Bound, span: Handle) -> None:
    for _ in range(1000):  # of which most have the place in memory that the one before had
        thing = Thing()
        assert spans.bound(thing) is NONE
        spans.bind(thing, span)


def test_threads_do_not_disturb_one_another(spans: Bound, span: Handle) -> None:
    def work(_: int) -> bool:
        found = True
        for _ in range(500):
            thing = Thing()
            spans.bind(thing, span)
            found = found and spans.bound(thing) is span
        return found

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))
    assert not spans._held
