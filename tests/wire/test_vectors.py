"""The bytes of baggage stay what they are: other implementations and older services read them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from baggage.clock import (
    ClockError,
    Event,
    Id,
    covered,
    decode_event,
    decode_id,
    encode_event,
    encode_id,
    join_event,
    leq,
    new_dot,
    split_id,
    sum_id,
)
from baggage.clock.event import node
from baggage.values import Baggage, BaggageError, Type, Value, fit, receive
from baggage.wire import (
    WireBaggage,
    WireBlock,
    WireEntry,
    WireError,
    WireLoan,
    armour,
    compose,
    decode,
    encode,
    members,
    unarmour,
)

FOLDER = Path(__file__).parents[2] / "proto" / "vectors"
Case = dict[str, Any]
TYPES = {type.name.lower(): int(type) for type in Type}


def cases(file: str, of: str | None = None) -> pytest.MarkDecorator:
    """Run a test for each case of a file, or of one list in it."""
    read = json.loads((FOLDER / file).read_text("utf-8"))
    listed: list[Case] = read if of is None else read[of]
    return pytest.mark.parametrize("case", listed, ids=lambda case: case.get("name", ""))


def value_of(written: Case) -> Value:
    ((kind, value),) = written.items()
    read: dict[str, Callable[[Any], Value]] = {
        "raw": bytes.fromhex,
        "text": str,
        "integer": int,
        "real": float,
        "truth": bool,
    }
    return read[kind](value)


def shown(carried: Baggage) -> dict[str, list[str]]:
    return {name: [repr(value) for value in carried.unpack(name)] for name in carried.keys()}  # noqa: SIM118 - no dict


def shows(case: Case) -> dict[str, list[str]]:
    return {name: [repr(value_of(each)) for each in case["shows"][name]] for name in case["shows"]}


def event_of(tree: Any, base: int = 0) -> Event:
    if isinstance(tree, list):
        low, left, right = tree
        return node(event_of(left, base + low), event_of(right, base + low))
    return base + int(tree)


def id_of(tree: Any) -> Id:
    return (id_of(tree[0]), id_of(tree[1])) if isinstance(tree, list) else int(tree)


def entry_of(case: Case) -> WireEntry:
    type: Any = case.get("type", 0)
    return WireEntry(
        case["key"],
        value_of(case["value"]),
        int(case.get("height", 0)),
        case.get("point", ""),
        TYPES.get(type, type),
        case["priority"],
    )


def block_of(case: Case) -> WireBlock:
    event = event_of(case["events"])
    tree = event if isinstance(event, int) else encode_event(event)
    return WireBlock(int(case["root"], 16), tree, tuple(map(entry_of, case["entries"])))


def message_of(case: Case) -> WireBaggage:
    over = case["over"]
    return WireBaggage(
        tuple(map(block_of, case["blocks"])),
        None if over is None else (over["priority"], over["key"]),
        tuple(map(entry_of, case["down"])),
        tuple(map(entry_of, case["home"])),
        case["origin"],
        tuple(
            WireLoan(int(loan["root"], 16), encode_id(id_of(loan["id"]))) for loan in case["lent"]
        ),
    )


@cases("messages.json", "read")
def test_a_message_is_read(case: Case) -> None:
    blob = bytes.fromhex(case["bytes"])
    assert decode(blob) == message_of(case)
    for carried in (Baggage.deserialize(blob), receive(blob)):
        assert shown(carried) == shows(case)
        assert carried.origin == case["origin"]


@cases("messages.json", "read")
def test_a_message_is_written(case: Case) -> None:
    assert (encode(message_of(case)).hex() == case["bytes"]) == case["canonical"]


@cases("messages.json", "read")
def test_a_message_is_forwarded(case: Case) -> None:
    if case["forwarded"] is not None:
        departing = receive(bytes.fromhex(case["bytes"])).departing()
        assert fit(departing, origin="hop").blob.hex() == case["forwarded"]


@cases("messages.json", "read")
def test_lent_ids_are_taken_where_they_are_trusted(case: Case) -> None:
    lent = {int(loan["root"], 16): id_of(loan["id"]) for loan in case["lent"]}
    assert receive(bytes.fromhex(case["bytes"]), lent=True).history.own == lent


@cases("messages.json", "refused")
def test_what_is_no_message_is_refused(case: Case) -> None:
    blob = bytes.fromhex(case["bytes"])
    with pytest.raises(BaggageError, match="can't read baggage"):
        Baggage.deserialize(blob)
    try:
        carried = receive(blob)
    except BaggageError:
        return
    assert carried.keys() == ()
    assert fit(carried.departing(), origin="hop").blob.hex() in ("", "2a03686f70")


@cases("messages.json", "lent ids refused")
def test_lent_ids_that_can_not_be_are_refused(case: Case) -> None:
    blob = bytes.fromhex(case["bytes"])
    assert receive(blob, lent=True).history.own == {}
    assert shown(receive(blob)) == {}


@cases("joins.json")
def test_two_messages_are_joined(case: Case) -> None:
    one, other = (Baggage.deserialize(bytes.fromhex(blob)) for blob in case["messages"])
    joined = one.join(other)
    assert shown(joined) == shows(case)
    assert joined.serialize().hex() == case["joined"]
    merging, again = other.join(one), joined.join(other)
    assert {**shown(merging), "d": []} == {**shown(joined), "d": []}
    assert again.serialize().hex() == case["joined"]


@cases("trims.json")
def test_a_message_is_trimmed(case: Case) -> None:
    carried = Baggage.deserialize(bytes.fromhex(case["bytes"]))
    fitted = fit(carried, case["budget"], case["origin"])
    assert fitted.blob.hex() == case["written"]
    assert len(fitted.blob) <= case["budget"]
    assert [*fitted.dropped] == case["dropped"]
    left = {name: [*map(value_of, values)] for name, values in case["not sent home"].items()}
    assert {name: [*values] for name, values in fitted.home.items()} == left


@cases("headers.json", "read")
def test_a_header_is_read(case: Case) -> None:
    ours, foreign, lost = members(case["header"])
    assert ([*foreign], lost) == (case["foreign"], case["lost"])
    if case["ours"] == "refused":
        with pytest.raises(WireError):
            unarmour(ours or "")
    else:
        assert (None if ours is None else unarmour(ours).hex()) == case["ours"]


@cases("headers.json", "written")
def test_a_header_is_written(case: Case) -> None:
    ours = None if case["ours"] is None else armour(bytes.fromhex(case["ours"]))
    assert compose(ours, case["foreign"]) == case["header"]


@cases("clocks.json", "ids")
def test_an_id_is_read_and_written(case: Case) -> None:
    assert encode_id(id_of(case["tree"])).hex() == case["bytes"]
    assert decode_id(bytes.fromhex(case["bytes"])) == id_of(case["tree"])
    assert padded(case["bits"]) == case["bytes"]


@cases("clocks.json", "event trees")
def test_an_event_tree_is_read_and_written(case: Case) -> None:
    assert encode_event(event_of(case["tree"])).hex() == case["bytes"]
    assert decode_event(bytes.fromhex(case["bytes"])) == event_of(case["tree"])
    assert case["bits"] is None or padded(case["bits"]) == case["bytes"]


def padded(bits: str) -> str:
    bits = bits.replace(" ", "")
    bits += "0" * (-len(bits) % 8)
    return f"{int(bits, 2):0{len(bits) // 4}x}"


@cases("clocks.json", "not ids")
def test_what_is_no_id_is_refused(case: Case) -> None:
    with pytest.raises(ClockError):
        decode_id(bytes.fromhex(case["bytes"]))


@cases("clocks.json", "not event trees")
def test_what_is_no_event_tree_is_refused(case: Case) -> None:
    with pytest.raises(ClockError):
        decode_event(bytes.fromhex(case["bytes"]))


@cases("clocks.json", "splits")
def test_an_id_is_split(case: Case) -> None:
    assert split_id(id_of(case["id"])) == tuple(map(id_of, case["parts"]))


@cases("clocks.json", "sums")
def test_ids_are_summed(case: Case) -> None:
    one, other = map(id_of, case["ids"])
    assert sum_id(one, other) == sum_id(other, one) == id_of(case["sum"])


@cases("clocks.json", "joins")
def test_event_trees_are_joined(case: Case) -> None:
    one, other = map(event_of, case["events"])
    assert join_event(one, other) == join_event(other, one) == event_of(case["joined"])
    assert [leq(one, other), leq(other, one)] == case["leq"]


@cases("clocks.json", "dots")
def test_an_event_has_a_dot(case: Case) -> None:
    raised, point, height = new_dot(id_of(case["id"]), event_of(case["event"]))
    assert (raised, point, height) == (event_of(case["raised"]), case["point"], case["height"])
    assert not covered(event_of(case["event"]), point, height)
    assert covered(raised, point, height)


@cases("clocks.json", "covered")
def test_a_dot_is_covered_or_not(case: Case) -> None:
    assert covered(event_of(case["event"]), case["point"], case["height"]) == case["covered"]


def test_no_file_and_no_list_of_vectors_is_forgotten() -> None:
    run = Path(__file__).read_text("utf-8")
    for file in sorted(FOLDER.glob("*")):
        if file.suffix == ".md":
            continue
        assert f'@cases("{file.name}"' in run
        read = json.loads(file.read_text("utf-8"))
        for name in read if isinstance(read, dict) else ():
            assert f'@cases("{file.name}", "{name}")' in run
