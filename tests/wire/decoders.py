"""Every decoder that strangers' bytes reach, and what has to hold whatever the bytes.

Those of what filibuster puts into baggage are among them; `asked` and `traced` have more of the
meta-applications'.

Belongs here: one function for each, which takes any bytes and fails where the decoder breaks its
word. They are driven by hypothesis, by a coverage-guided fuzzer (`fuzz/`), and by what that found
(`corpus/`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from math import inf, nan
from typing import Any, Final, TypeVar

from baggage.boundary import Call, CallSite, Kind, read_header, write_header
from baggage.cli.decoded import decode_message
from baggage.cli.source import Refusal, found_in
from baggage.cli.text import lines
from baggage.clock import (
    MAX_DEPTH,
    MAX_HEIGHT,
    MAX_NODES,
    ClockError,
    decode_event,
    decode_id,
    encode_event,
    encode_id,
    event_depth,
    event_nodes,
    id_depth,
)
from baggage.values import Baggage, BaggageError, fit, key, receive
from baggage.values.known import Dot
from baggage.wire import (
    MAX_BYTES,
    Unread,
    WireEntry,
    WireError,
    armour,
    brief,
    compose,
    decode,
    encode,
    members,
    unarmour,
)
from baggage.wire.baggage_pb2 import Baggage as Message
from metaapps.filibuster.filibuster_pb2 import SignedOrders
from metaapps.filibuster.foreign import headers as foreign
from metaapps.filibuster.foreign import path as foreign_path
from metaapps.filibuster.index import DIGEST_SIZE, PREFIX_SIZE
from metaapps.filibuster.latency import moments
from metaapps.filibuster.lineage import Progress
from metaapps.filibuster.orders import sign
from metaapps.filibuster.tree import build
from metaapps.filibuster.wire import (
    decode_lineage,
    decode_observation,
    decode_orders,
    decode_report,
    encode_lineage,
    encode_observation,
    encode_report,
)
from tests.wire import asked, traced

Fields = dict[str, Any]
MINE: Final = key("mine")
DOWN: Final = key("k.down", direction="down")
HOME: Final = key("k.home", direction="home")
_LEGAL: Final = re.compile(r"[\t -~]*")


def header(blob: bytes) -> None:
    """Read a header as servers hand it out: as Latin-1."""
    text = blob.decode("latin-1")
    ours, foreign, lost = members(text)
    assert lost + len(foreign) <= text.count(",") + 1
    again = compose(ours, foreign)
    if ours is None or re.fullmatch("[A-Za-z0-9_-]*", ours):
        assert members(again) == (ours, foreign, 0)
    carried = read_header(text)
    assert carried.foreign == foreign
    written = write_header(carried, origin="here")
    assert _LEGAL.fullmatch(written)
    assert len(written) <= 8192
    assert len(written.split(",")) <= 64
    assert read_header(written).foreign == foreign
    using(carried)


def member(blob: bytes) -> None:
    """Undo armour."""
    text = blob.decode("latin-1")
    try:
        assert armour(unarmour(text)) == text
    except WireError:
        pass


def message(blob: bytes) -> None:
    """Read a message whole, and in parts as they are asked for; write it again."""
    try:
        read = Baggage.deserialize(blob)
    except BaggageError:
        read = None
    try:
        whole = decode(blob)
    except WireError:
        assert read is None
    else:
        assert len(blob) <= MAX_BYTES
        assert decode(encode(whole)) == whole or "nan" in repr(whole)
    try:
        unread = receive(blob)
    except BaggageError:
        assert read is None
        return
    before = receive(blob)
    shown(before)
    assert written(receive(blob)) == written(before)
    if read is not None:
        assert shown(unread) == shown(read)
        assert shown(Baggage.deserialize(read.serialize())) == shown(read)
    using(unread)


def written(carried: Baggage) -> list[str]:
    """Return what is under a name once a service wrote there, in no order: roots are random."""
    entries = carried.pack("mine", 1).pack("mine", 2).history.entries
    return sorted(map(repr, entries.get("mine", {}).values()))


def lent(blob: bytes) -> None:
    """Read a message whose ids may be written with."""
    try:
        carried = receive(blob, lent=True)
    except BaggageError:
        return
    own = carried.history.own
    assert all(id_depth(identity) <= MAX_DEPTH for identity in own.values())
    if own:
        seen = Baggage.deserialize(Unread(blob).alone()).history.seen
        assert carried.history.seen == seen
    using(carried)
    again = receive(blob, lent=True)
    one, other = again.split()
    joined = one.pack("mine", 1).join(other.pack("mine", 2))
    assert "mine" in again.keys() or joined.unpack("mine") in ((1, 2), (2, 1))  # noqa: SIM118
    sent = fit(joined, lending=True)
    received = receive(sent.blob, lent=True)
    if sent.lent:
        assert received.history.own == joined.history.own
    halves(receive(blob, lent=True))


def halves(carried: Baggage) -> None:
    """Write with both halves of the ids that came: neither hides what the other one wrote."""
    one, other = carried.split()
    before = dots(carried)
    one, other = one.pack(MINE, 1), other.pack(MINE, 2)
    mine, theirs = dots(one) - before, dots(other) - before
    assert len(mine) == len(theirs) == 1
    assert dots(one.join(other)) == before | mine | theirs
    assert len(mine | theirs) == 2
    assert not any(map(carried.history.covers, mine | theirs))


def dots(carried: Baggage) -> set[Dot]:
    """Return the names of what is under a key."""
    return set(carried.history.entries.get(MINE.name, ()))


def brief_message(blob: bytes) -> None:
    """Read by hand what is read by hand."""
    read = brief(blob)
    if read is None:
        return
    down, origin = read
    whole = decode(blob)
    assert (whole.blocks, whole.over, whole.home, whole.origin) == ((), None, (), origin)
    assert [WireEntry(name, value, priority=at) for name, (value, at) in down.items()] == [
        *whole.down
    ]
    assert encode(whole) == blob


def command(blob: bytes) -> None:
    """Show what is in anything, on a terminal and in JSON."""
    try:
        found = found_in(blob)
        decoded = decode_message(found.blob)
    except Refusal as refusal:
        text = str(refusal)
    else:
        text = "".join(lines(found, decoded, 4096))
        json.dumps({**found.to_json(4096), **decoded.to_json()}, allow_nan=False)
    assert text.isascii()
    assert text.isprintable()


def event(blob: bytes) -> None:
    """Read an event tree."""
    try:
        tree = decode_event(blob)
    except ClockError:
        return
    assert encode_event(tree) == blob
    assert event_depth(tree) <= MAX_DEPTH
    assert event_nodes(tree) <= MAX_NODES


def identity(blob: bytes) -> None:
    """Read an id tree."""
    try:
        tree = decode_id(blob)
    except ClockError:
        return
    assert encode_id(tree) == blob
    assert id_depth(tree) <= MAX_DEPTH


def built(blob: bytes) -> None:
    """Read a message that is well-formed, if nothing else: the bytes say what is in it."""
    said = iter(blob)
    fields: Fields = {"blocks": [], "over": [], "down": [], "home": []}
    fields["lent"] = []
    for number in said:
        which, few = number & 7, number >> 3
        if which == 0:
            root = {"root": _take(said, _ROOTS), "flat": few, "tree": b"", "entries": []}
            if few > 24:
                root["flat"], root["tree"] = 0, bytes(islice(said, few - 24))
            elif few > 20:
                root["flat"] = MAX_HEIGHT - 22 + few
            fields["blocks"].append(root)
        elif which == 1:
            loan = {"root": _take(said, _ROOTS), "id": bytes(islice(said, few))}
            fields["lent"].append(loan)
        elif which == 2:
            marker = {"priority": _take(said, _PRIORITIES) + 100, "key": _take(said, _KEYS)}
            fields["over"].append(marker)
        elif which < 5 or not fields["blocks"]:
            fields["down" if which == 3 else "home"].append(_entry(said, 0))
        else:
            fields["blocks"][-1]["entries"].append(_entry(said, few))
    try:
        whole = Message(**fields).SerializeToString()
    except ValueError:  # a number beyond a field
        return
    message(whole)
    lent(whole)


_KEYS: Final = ("k", "l", "", "k\0a", "k\0b", "\0", "mine", "theirs", "k.down", "k.home", "x" * 256)
_ROOTS: Final = (7, 8, 0, (1 << 64) - 1)
_PRIORITIES: Final = (0, 1, -100, -101, 65435, 65436)
_HEIGHTS: Final = (1, 2, 3, 4, 0, MAX_HEIGHT, MAX_HEIGHT + 1)
_POINTS: Final = (
    b"",
    b"\x03",
    b"\x05",
    b"\x07",
    b"\x0d",
    b"\x02",
    b"\0\x03",
    b"\x03" * 8,
    b"\x03" * 9,
)
_VALUES: Final[Sequence[Fields]] = [
    *[Fields(integer=number) for number in (0, 1, -1, (1 << 63) - 1, -(1 << 63))],
    *[Fields(real=number) for number in (0.5, -0.0, inf, -inf, nan, 1.7976931348623157e308)],
    *[Fields(truth=True), Fields(text=""), Fields(text="é"), Fields(raw=b"\xff"), Fields()],
]
T = TypeVar("T")


def _take(said: Iterator[int], some: Sequence[T]) -> T:
    return some[next(said, 0) % len(some)]


def _entry(said: Iterator[int], type: int) -> Fields:
    entry = {"key": _take(said, _KEYS), "priority": _take(said, _PRIORITIES), "type": type % 9}
    entry |= {"height": _take(said, _HEIGHTS), "point": _take(said, _POINTS)}
    return entry | _take(said, _VALUES)


def using(carried: Baggage) -> None:
    """Do with baggage from a stranger whatever a service does."""
    before = shown(carried)
    packed = carried.pack("mine", 1).pack(DOWN, 1).pack(HOME, 1)
    assert 1 in packed.unpack("mine") or "mine" in before
    sent = fit(packed.departing(), 2000, "here")
    assert len(sent.blob) <= 2000
    arrived = receive(sent.blob)
    assert arrived.origin in ("here", "")
    back = packed.join(arrived.pack("theirs", 2).returning(arrived))
    assert 2 in back.unpack("theirs") or "theirs" in before
    one, other = carried.split()
    joined = one.join(other)
    assert shown(joined) == before
    assert carried.remove("mine").unpack("mine") == ()


def shown(carried: Baggage) -> dict[str, str]:
    """Return what all keys show, as text, in which NaN equals itself."""
    names = carried.keys()
    return {name: repr((carried.unpack(name), carried.siblings(name))) for name in names}


_KEY: Final = b"a key"
_CALL: Final = Call(
    kind=Kind.CLIENT,
    library="requests",
    operation="GET /",
    source="foo",
    site=CallSite("app", "foo"),
)


def orders(blob: bytes) -> None:
    """Read orders: as they are, where nobody signed them, and as if the run's explorer had."""
    assert decode_orders(blob, (_KEY,)) is None
    decode_orders(blob, None)
    signed = SignedOrders(orders=blob, signature=sign(blob, _KEY)).SerializeToString()
    assert decode_orders(signed, (b"another key",)) is None
    read = decode_orders(signed, (b"another key", _KEY))
    if read is not None:
        assert read.key == _KEY
        assert all(read.at(planned.index) is not None for planned in read.plan.faults)
        assert all(len(planned.index) <= PREFIX_SIZE for planned in read.plan.faults)


def lineage(blob: bytes) -> None:
    """Read a lineage, and make a call and a branch under it, as whoever it came to does."""
    read = decode_lineage(blob)
    if read is None:
        return
    assert decode_lineage(encode_lineage(read)) == read
    progress = Progress(read.arrived("foo"))
    for step in (progress.call(_CALL), progress.fork(_CALL)):
        below = decode_lineage(encode_lineage(step.below))
        assert below is None or below == step.below


def observation(blob: bytes) -> None:
    """Read an observation, and make of it what the explorer does."""
    read = decode_observation(blob)
    if read is None:
        return
    assert len(read.index) == len(read.parent) == DIGEST_SIZE
    assert decode_observation(encode_observation(read)) == read
    tree = build([read, read])
    assert len(tree.preorder) <= 1


def report(blob: bytes) -> None:
    """Read what is posted to the coordinator."""
    read = decode_report(blob)
    if read is not None:
        assert decode_report(encode_report(read)) == read
        for each in read.observations:
            observation(each)


def moment(blob: bytes) -> None:
    """Read what somebody says of simulated time, and add to it."""
    for read in moments([blob]):
        assert read.encoded() == blob or blob[-1] > 1
        assert moments([replace(read, micros=read.micros + 1).encoded()])


def foreign_header(blob: bytes) -> None:
    """Read the headers of the original's protocol, all from the same bytes."""
    text = blob.decode("latin-1")
    read = foreign_path.parse(text)
    if read is not None:
        assert foreign_path.parse(str(read)) == read
    names = foreign.write(foreign.ForeignHeaders(path=foreign_path.path_of(bytes(DIGEST_SIZE))))
    for name in (*names, "x-filibuster-forced-sleep"):
        came = foreign.read({**names, name: text})
        if came is not None:
            assert 0 <= came.sleep <= 60
            assert foreign.read(foreign.write(came)) is not None


DECODERS: Final[Mapping[str, Callable[[bytes], None]]] = {
    "brief": brief_message,
    "built": built,
    "collected": traced.collected,
    "command": command,
    "event": event,
    "foreign_answer": asked.foreign_answer,
    "foreign_header": foreign_header,
    "foreign_request": asked.foreign_request,
    "frontier": traced.frontier,
    "header": header,
    "identity": identity,
    "lent": lent,
    "lineage": lineage,
    "member": member,
    "message": message,
    "moment": moment,
    "observation": observation,
    "orders": orders,
    "position": traced.position,
    "posted": asked.posted,
    "report": report,
    "spans": traced.spans,
    "trace_headers": traced.trace_headers,
}
"""All of them, by the name of their file in `corpus/`."""
