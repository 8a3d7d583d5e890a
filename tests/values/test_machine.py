"""A machine that does all that can happen to baggage, in any order, and looks at whatever it makes.

Other than in `test_programs`, every value stays at hand, and so does every message: they are used
again whenever it pleases the machine, or never.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from baggage.values import Baggage, Key, fit, receive
from tests.values.agreement import assert_disjoint, assert_exact
from tests.values.oracle import KEYS, MAP, Line, Truth, World

NUMBERS = st.integers(0, 1 << 12)


class Message(NamedTuple):
    """Bytes, and the truth about what they carry."""

    blob: bytes
    truth: Truth


class Causality(RuleBasedStateMachine):
    """Branches, the messages between them, and what is lent."""

    lines: Bundle[Line] = Bundle("lines")
    messages: Bundle[Message] = Bundle("messages")
    loans: Bundle[Message] = Bundle("loans")

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.keys: list[Key] = []

    @initialize(target=lines, keys=st.lists(st.sampled_from(KEYS), min_size=1, max_size=3))
    def choose_keys(self, keys: list[Key]) -> Line:
        self.keys = keys
        return Line()

    @rule(target=lines)
    def begin(self) -> Line:
        """Serve another request, which may be joined with others."""
        return Line()

    def made(self, *lines: Line) -> MultipleResults[Line]:
        for line in lines:
            assert_exact(self.world, line)
        return multiple(*lines)

    def arrived(self, arrive: Callable[[], Baggage], truth: Truth) -> list[Line]:
        return self.world.did(arrive, truth=truth)

    def key(self, number: int) -> Key:
        return self.keys[number % len(self.keys)]

    @rule(target=lines, line=lines, n=st.integers(2, 5))
    def split(self, line: Line, n: int) -> MultipleResults[Line]:
        return self.made(*self.world.split(line, n))

    @rule(target=lines, other=lines, one=consumes(lines))
    def join(self, one: Line, other: Line) -> MultipleResults[Line]:
        return self.made(self.world.join(one, other))

    @rule(target=lines, line=consumes(lines), number=NUMBERS, choice=NUMBERS)
    def pack(self, line: Line, number: int, choice: int) -> MultipleResults[Line]:
        return self.made(self.world.pack(line, self.key(number), choice))

    @rule(target=lines, line=lines, number=NUMBERS, choice=NUMBERS)
    def pack_from_a_value_that_goes_on(
        self, line: Line, number: int, choice: int
    ) -> MultipleResults[Line]:
        return self.made(self.world.pack(line, self.key(number), choice))

    @rule(target=lines, line=consumes(lines), number=NUMBERS, choice=NUMBERS)
    def set(self, line: Line, number: int, choice: int) -> MultipleResults[Line]:
        return self.made(self.world.put(line, self.key(number), choice))

    @rule(target=lines, line=consumes(lines), number=NUMBERS)
    def remove(self, line: Line, number: int) -> MultipleResults[Line]:
        return self.made(self.world.remove(line, self.key(number)))

    @rule(target=lines, line=consumes(lines), number=NUMBERS, choice=NUMBERS)
    def remove_a_value(self, line: Line, number: int, choice: int) -> MultipleResults[Line]:
        return self.made(self.world.remove_value(line, self.key(number), choice))

    @rule(target=lines, line=consumes(lines))
    def remove_a_map(self, line: Line) -> MultipleResults[Line]:
        return self.made(self.world.remove(line, MAP))

    @rule(line=consumes(lines))
    def lose(self, line: Line) -> None:
        """Nobody joins this branch."""

    @rule(target=messages, line=lines)
    def serialize(self, line: Line) -> Message:
        return Message(line.carried.departing().serialize(), line.truth)

    @rule(target=messages, line=lines, room=NUMBERS)
    def serialize_within_a_budget(self, line: Line, room: int) -> Message:
        blob = fit(line.carried, room % (len(line.carried.serialize()) + 1)).blob
        known = line.truth if blob else Truth()
        return Message(blob, Truth(known.seen, known.removed, known.folded, trimmed=True))

    @rule(target=lines, message=messages)
    def deserialize(self, message: Message) -> MultipleResults[Line]:
        return self.made(*self.arrived(lambda: Baggage.deserialize(message.blob), message.truth))

    @rule(target=lines, message=messages)
    def receive(self, message: Message) -> MultipleResults[Line]:
        return self.made(*self.arrived(lambda: receive(message.blob), message.truth))

    @rule(target=lines, line=consumes(lines), message=messages)
    def join_a_response(self, line: Line, message: Message) -> MultipleResults[Line]:
        came = Line(receive(message.blob), message.truth)
        return self.made(self.world.join(line, came))

    @rule(target=lines, line=consumes(lines))
    def lend(self, line: Line) -> MultipleResults[Line]:
        return self.made(*self.world.lend(line))

    @rule(target=loans, line=lines)
    def send_with_ids(self, line: Line) -> Message:
        _, theirs = line.carried.lend()
        return Message(fit(theirs, lending=True).blob, line.truth)

    @rule(target=lines, loan=consumes(loans))
    def take_ids(self, loan: Message) -> MultipleResults[Line]:
        return self.made(*self.arrived(lambda: receive(loan.blob, lent=True), loan.truth))

    @rule(target=lines, line=consumes(lines), loan=consumes(loans))
    def bring_ids_home(self, line: Line, loan: Message) -> MultipleResults[Line]:
        came = Line(receive(loan.blob, lent=True), loan.truth)
        return self.made(self.world.join(line, came))

    @rule(target=messages, loan=loans)
    def double(self, loan: Message) -> Message:
        """What is delivered once more, or to somebody else, lends nothing."""
        return loan

    @invariant()
    def nobody_owns_what_another_owns(self) -> None:
        assert_disjoint(self.world.owned())


TestCausality = Causality.TestCase
TestCausality.settings = settings(stateful_step_count=40)
