"""Who put what is known for every queue, whatever lies there and however often."""

from __future__ import annotations

import queue
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baggage.boundary import Message
from baggage.instrumentation._ledger import Ledger, Storage

# Few, so that the same object often lies there several times.
ITEMS = (None, 1, "one", (), 1.0)
STORAGE = Storage(lambda lying: lying._qsize(), lambda lying: lying.queue)
Step = tuple[str, Any, bool]
STEPS = st.lists(
    st.tuples(st.sampled_from(["put", "put", "get"]), st.sampled_from(ITEMS), st.booleans())
)


class Label:
    """Stands for a message."""

    def drop(self) -> None:
        """Do nothing: nobody is told."""


def labelled(make: Callable[[], Any], steps: list[Step]) -> tuple[list[object], list[object]]:
    """Put and get as said, with a label for some of the items; return the labels met, and due."""
    real, model = make(), make()
    ledger = Ledger(STORAGE, last_first=isinstance(real, queue.LifoQueue))
    met: list[object] = []
    due: list[object] = []
    for do, item, carries in steps:
        if do == "put":
            label = cast(Message, Label()) if carries else None
            ledger.place(real, item, label, partial(real._put, item))
            model._put((item, label))
        elif real._qsize():
            got, label = ledger.fetch(real._get)
            meant, expected = model._get()
            assert got is meant
            met.append(label)
            due.append(expected)
    return met, due


@pytest.mark.parametrize("make", [queue.Queue, queue.LifoQueue])
@given(steps=STEPS)
def test_each_item_is_met_with_what_it_was_put_with(
    make: Callable[[], Any], steps: list[Step]
) -> None:
    met, due = labelled(make, steps)
    assert met == due


@given(st.lists(st.tuples(st.sampled_from(ITEMS), st.booleans()), min_size=1))
def test_what_was_emptied_by_hand_is_lost_and_not_mixed_up(puts: list[tuple[Any, bool]]) -> None:
    lying: Any = queue.Queue()
    ledger = Ledger(STORAGE, last_first=False)
    labels = [cast(Message, Label()) if carries else None for _, carries in puts]
    for (item, _), label in zip(puts, labels, strict=True):
        ledger.place(lying, item, label, partial(lying._put, item))
    lying.queue.clear()
    fresh = cast(Message, Label())
    ledger.place(lying, puts[0][0], fresh, lambda: lying._put(puts[0][0]))
    assert set(ledger.lost) == {label for label in labels if label is not None}
    assert ledger.fetch(lying._get) == (puts[0][0], fresh)
