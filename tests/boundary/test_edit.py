"""The little language of changes to a body."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baggage.boundary import CannotEnact
from baggage.boundary.edit import edited

BODY = b'{"a": {"b": [{"c": 1}, "x"], "d.e": true}, "f": null, "g h": 2.5, "": {}}'

_documents = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@pytest.mark.parametrize(
    ("edit", "changed"),
    [
        ("null a", {"a": None}),
        ("null a.b[0].c", {"a": {"b": [{"c": None}, "x"], "d.e": True}}),
        ("null a.b[1]", {"a": {"b": [{"c": 1}, None], "d.e": True}}),
        ('null a["d.e"]', {"a": {"b": [{"c": 1}, "x"], "d.e": None}}),
        ('null ["g h"]', {"g h": None}),
        ('  drop   [""]  ', {"": ...}),
        ("drop a.b[0]", {"a": {"b": ["x"], "d.e": True}}),
        ("drop f", {"f": ...}),
        ("retype f", {"f": "null"}),
        ('retype ["g h"]', {"g h": "2.5"}),
        ('retype a["d.e"]', {"a": {"b": [{"c": 1}, "x"], "d.e": "true"}}),
        ("retype a.b[0].c", {"a": {"b": [{"c": "1"}, "x"], "d.e": True}}),
        ("retype a.b[1]", {"a": {"b": [{"c": 1}, 1], "d.e": True}}),
        ("retype a.b", {"a": {"b": {"0": {"c": 1}, "1": "x"}, "d.e": True}}),
        ("retype a", {"a": [[{"c": 1}, "x"], True]}),
        ('retype [""]', {"": []}),
    ],
)
def test_a_field_is_changed_and_nothing_else(edit: str, changed: dict[str, Any]) -> None:
    expected = {**json.loads(BODY), **changed}
    expected = {key: value for key, value in expected.items() if value is not ...}
    after = json.loads(edited(BODY, edit))
    assert after == expected
    assert list(after) == list(expected)


def test_a_list_may_be_outermost() -> None:
    assert edited(b"[1, [2, 3]]", "null [1][0]") == b"[1,[null,3]]"


def test_bytes_are_cut_off_whatever_they_are() -> None:
    assert [edited(b"\xff\x00abc", f"truncate {n}") for n in (0, 3)] == [b"", b"\xff\x00a"]


@pytest.mark.parametrize(
    "edit",
    ["null", "null ", "drop .a", "drop a.", "drop a..b", "null a b", "null a[x]", "null a[-1]",
     "null a[0", 'null ["a]', r'null ["\x"]', "null [0]a", "truncate", "truncate -1",
     "truncate 1.5", "truncate 1 2", "rename a", "", "null " + "a." * 600 + "a", "truncate ²"],
)  # fmt: skip
def test_what_is_no_edit_says_why(edit: str) -> None:
    with pytest.raises(ValueError, match=r"edit|path|say|dot|JSON") as raised:
        edited(BODY, edit)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "edit",
    ["null z", "null f", "null f.a", "null a[0]", "null a.b.c", "null a.b[2]", "drop a.b[9]",
     "retype z", "null [0]", "truncate 999", f"truncate {len(BODY)}"],
)  # fmt: skip
def test_an_edit_that_finds_nothing_to_change_cannot_be_enacted(edit: str) -> None:
    with pytest.raises(CannotEnact):
        edited(BODY, edit)


@pytest.mark.parametrize(
    "body", [b"", b"no", b"\xff", b"{" * 10, b"[" * 100_000, b'{"a": NaN, "b": 1}', b'"a"', b"1"]
)
def test_what_is_no_json_has_no_fields(body: bytes) -> None:
    for edit in ("null b", "drop b", "retype b"):
        with pytest.raises(CannotEnact):
            edited(body, edit)


@given(st.binary(max_size=200), st.text(max_size=60))
def test_any_edit_of_anything_changes_it_or_says_why(body: bytes, edit: str) -> None:
    for verb in ("", "null ", "drop ", "retype ", "truncate "):
        try:
            assert edited(body, verb + edit) != body
        except (ValueError, CannotEnact):
            pass


@given(_documents, st.sampled_from(["null", "drop", "retype"]), st.data())
def test_every_field_can_be_named_and_changed(
    document: Any, verb: str, data: st.DataObject
) -> None:
    path, place = "", document
    holder: Any = None
    last: Any = None
    while isinstance(place, dict | list) and place and (not path or data.draw(st.booleans())):
        steps = list(place) if isinstance(place, dict) else list(range(len(place)))
        holder, last = place, data.draw(st.sampled_from(steps))
        path += f"[{json.dumps(last)}]"
        place = holder[last]
    if holder is None or (verb == "null" and place is None) or len(path) > 900:
        return
    before = deepcopy(document)
    after = json.loads(edited(json.dumps(document).encode(), f"{verb} {path}"))
    if verb == "drop":
        del holder[last]
    else:
        found = _at(after, path)
        assert type(found) is not type(place)
        assert verb == "retype" or found is None
        holder[last] = found
    assert after == document != before


def _at(document: Any, path: str) -> Any:
    decoder, at = json.JSONDecoder(), 1
    while at < len(path):
        step, end = decoder.raw_decode(path, at)
        document, at = document[step], end + 2
    return document
