"""What the parts of a hop cost that are C already: below that goes no decoder, compiled or not."""

from __future__ import annotations

import binascii
import marshal
from contextvars import ContextVar
from typing import Any

from benchmarks import hop
from benchmarks.measure import Run


def _message(entries: int) -> bytes:
    from baggage.wire import split_members, unarmour

    ours, _ = split_members(hop.sent(entries)["baggage"])
    return unarmour(ours or "")


def base64(entries: int) -> Run:
    """Decode the bytes of a header, and encode them again."""
    encoded = binascii.b2a_base64(_message(entries), newline=False)

    def run(calls: int) -> None:
        for _ in range(calls):
            binascii.b2a_base64(binascii.a2b_base64(encoded), newline=False)

    return run


def parse(entries: int) -> Run:
    """Parse a message with upb, protobuf's C library, and look at nothing in it."""
    from baggage.wire.baggage_pb2 import Baggage

    message = _message(entries)

    def run(calls: int) -> None:
        for _ in range(calls):
            Baggage.FromString(message)

    return run


def read(entries: int) -> Run:
    """Read each entry's key and value from Python, too: what no decoder above upb can avoid."""
    from baggage.wire.baggage_pb2 import Baggage

    message = _message(entries)

    def run(calls: int) -> None:
        for _ in range(calls):
            found: dict[str, Any] = {}
            for block in Baggage.FromString(message).blocks:
                for entry in block.entries:
                    found[entry.key] = entry.text

    return run


def compiled(entries: int) -> Run:
    """Make the objects that a reader needs in C: about what a decoder of our own would take there.

    Of each entry a key, a value, a dot, a type and a priority; marshal is the quickest that Python
    has, and checks nothing.
    """
    made = {
        key: {(1, "", number): (hop.value(key), 0, 100)}
        for number, key in enumerate(hop.keys(entries))
    }
    dumped = marshal.dumps(made)

    def run(calls: int) -> None:
        for _ in range(calls):
            marshal.loads(dumped)  # noqa: S302 - what we dumped ourselves

    return run


def current() -> Run:
    """Make something current, look it up, and undo that."""
    variable: ContextVar[object] = ContextVar("variable")

    def run(calls: int) -> None:
        for _ in range(calls):
            token = variable.set(calls)
            variable.get()
            variable.reset(token)

    return run
