"""What people see and spell: keys declared by words, and baggage shown by its keys."""

from __future__ import annotations

import pytest

from baggage.values import EMPTY, Baggage, BaggageError, Direction, Key, Map, Sum, key


def test_types_and_directions_may_be_spelled() -> None:
    assert key("n", type="map", of="Sum") == Key("n", Map, of=Sum)
    assert key("n", direction="DOWN") == Key("n", direction=Direction.DOWN)


@pytest.mark.parametrize("word", ["sums", "", 9, None])
def test_a_word_that_is_none_is_refused(word: object) -> None:
    with pytest.raises(BaggageError, match=r"a type is .*, not "):
        key("n", type=word)  # type: ignore[arg-type]
    with pytest.raises(BaggageError, match=r"a key goes .*, not "):
        key("n", direction=word)  # type: ignore[arg-type]


def test_baggage_shows_its_keys_and_no_values() -> None:
    carried = EMPTY.pack("b", "secret").pack("a", "secret")
    assert repr(carried) == "<Baggage of 'a', 'b'>"
    assert repr(Baggage(origin="shop")) == "<Baggage of nothing from 'shop'>"
