"""`home` values get home: of branches that go on, and where a response has no room for them."""

from __future__ import annotations

from collections.abc import Sequence

from baggage.boundary import (
    PROCEED,
    Boundary,
    Call,
    Flow,
    Interest,
    Kind,
    Policy,
    collect,
    read_header,
    write_header,
)
from baggage.context import Branch, branch
from baggage.testing import Parcel, ParcelAdapter
from baggage.values import EMPTY, Direction, Key, Value

SEEN = Key("short.seen", direction=Direction.HOME)
OTHER = Key("long.seen", direction=Direction.HOME)
BUDGET = 400


class Short:
    """Says in one value how many there are that a response has no room for."""

    name = "short"

    def __init__(self) -> None:
        self.condensed: list[int] = []
        self.left: list[Value] = []
        self.gone_ahead: list[str] = []

    def interest(self, kind: Kind, library: str) -> Interest:
        return Interest.AROUND

    def around(self, call: Call) -> Flow:
        yield PROCEED
        return None

    def overflow(self, key: Key, values: Sequence[Value]) -> None:
        self.left.extend(values)

    def condense(self, key: Key, values: Sequence[Value]) -> Sequence[Value]:
        self.condensed.append(len(values))
        return (f"{len(values)} more",)

    def ahead(self, call: Call) -> None:
        self.gone_ahead.append(call.operation)
        pack("ahead")


class Long(Short):
    """Does not, and takes what is left."""

    name = "long"
    condense = None  # type: ignore[assignment]
    ahead = None  # type: ignore[assignment]


def pack(value: Value, key: Key = SEEN) -> None:
    running = branch()
    assert running is not None
    running.pack(key, value)


def served(app: Short, number: int, key: Key = SEEN, *, streams: bool = False) -> Sequence[Value]:
    """Serve a request that packs so many values; return what its response brings home."""
    boundary = Boundary(Policy(service="callee", budget=BUDGET, strict=True), (app,))
    request = Parcel({"baggage": write_header(EMPTY, origin="caller")})
    arrival = boundary.arrive(ParcelAdapter(Kind.SERVER), request)
    assert arrival is not None
    answer = Parcel()
    with arrival.scope():
        assert arrival.begin() is None
        for value in range(number):
            pack(f"value {value}", key)
        if streams:
            arrival.respond(answer)
            arrival.end(arrival.answered(answer))
        else:
            arrival.end(arrival.answered(answer))
            arrival.respond(answer)
    arrival.close()
    return read_header(answer.headers["baggage"]).unpack(key)


def test_what_finds_room_goes_home_as_it_is() -> None:
    app = Short()
    assert len(served(app, 3)) == 3
    assert (app.condensed, app.left, app.gone_ahead) == ([], [], [])


def test_what_finds_no_room_is_said_in_short_by_its_owner() -> None:
    app = Short()
    assert served(app, 100) == ("100 more",)
    assert (app.condensed, app.left) == ([100], [])


def test_an_owner_who_says_nothing_in_short_gets_what_is_left() -> None:
    app = Long()
    home = served(app, 100, OTHER)
    assert home
    assert sorted([*home, *app.left], key=str) == sorted(
        [f"value {value}" for value in range(100)], key=str
    )


def test_who_asked_is_told_of_an_answer_that_leaves_before_the_end() -> None:
    app = Short()
    assert set(served(app, 1, streams=True)) == {"value 0", "ahead"}
    assert app.gone_ahead == ["SEND parcel"]


def test_what_a_branch_has_by_now_goes_home_though_it_goes_on() -> None:
    parent = Branch(EMPTY.pack("a", 1))
    child = parent.fork()
    grandchild = child.fork()
    child.pack(SEEN, "early")
    grandchild.pack(SEEN, "deep")
    collect(parent)
    assert set(parent.unpack(SEEN)) == {"early", "deep"}
    # What it brings later is its own affair.
    child.pack(SEEN, "late")
    assert not parent.ended(child)
    assert child.unpack(SEEN) == ("late",)
