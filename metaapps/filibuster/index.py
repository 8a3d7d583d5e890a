"""Execution indices: names for calls that are the same in every execution of a functional test.

An index is a rolling digest over the path of frames from the functional test to the call (after the
distributed execution indices of Meiklejohn et al., SoCC'21). A frame holds nothing of the machine,
the checkout path, line numbers or ports. Counting occurrences is up to the branch that calls.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Final

from baggage.boundary import UNKNOWN_SITE, CallSite
from baggage.boundary.value import value

DIGEST_SIZE: Final = 16
ROOT: Final = bytes(DIGEST_SIZE)
"""The index of the functional test itself."""
PREFIX_SIZE: Final = 8
"""So many bytes of an index travel in a plan; who plans sees to it that they suffice."""
TEST: Final = "test"
"""What the functional test is called, among the services."""

# A path segment that names one random object would make every run's index another.
_VOLATILE = re.compile(
    r"(?<=/)(?:[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}|[0-9a-fA-F]{16,})(?=/|$)"
)
# Queues for one reply alone have such names, of their own making or by their server.
_TRANSIENT = re.compile(
    r"(?<![0-9A-Za-z])(?:[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}|[0-9a-fA-F]{16,}"
    r"|(?<=amq\.gen-)[\w-]{22})(?![0-9A-Za-z])"
)


@value
class CallFrame:
    """One call: who calls from where, what it asks for, and which time this is in its branch.

    `occurrence` counts from 1 among the calls of one branch, under one enclosing call, that are
    otherwise equal. `payload` is the digest of what the callee reads, where that tells calls apart.
    """

    source: str
    module: str
    function: str
    operation: str
    occurrence: int
    payload: bytes | None = None

    def __str__(self) -> str:
        content = "" if self.payload is None else f" {self.payload.hex()[:8]}"
        place = f"{self.source}: {self.module}.{self.function}"
        return f"{place} {self.operation}{content} #{self.occurrence}"


def call_frame(
    source: str,
    site: CallSite,
    operation: str,
    occurrence: int,
    *,
    by_test: bool,
    payload: bytes | None = None,
) -> CallFrame:
    """Return the frame of a call. The functional test's own calls stand for what they ask alone.

    So a counterexample that one test found can be replayed by a better one, or by a command.
    """
    if by_test:
        return CallFrame(TEST, "", "", operation, occurrence, payload)
    return CallFrame(source, site.module, site.function, operation, occurrence, payload)


@value
class BranchFrame:
    """One branch of execution (a thread, a task, a message): how it was started, and where.

    `number` counts from 1, in its parent's program order, among those that are otherwise equal. So
    what a library starts once in a process, when it is first used, moves no other branch's number.
    """

    number: int
    operation: str = ""
    module: str = ""
    function: str = ""

    def __str__(self) -> str:
        if self.operation and self.module == UNKNOWN_SITE.module:
            return f"branch {self.operation} #{self.number}"
        place = f"{self.module}.{self.function} {self.operation} " if self.operation else ""
        return f"branch {place}#{self.number}"


def branch_frame(source: str, site: CallSite, operation: str, number: int) -> BranchFrame:
    """Return the frame of a branch; the functional test's own are but numbers, like its calls."""
    if source == TEST or not operation:
        return BranchFrame(number)
    return BranchFrame(number, stable_destination(operation), site.module, site.function)


Frame = CallFrame | BranchFrame


def stable_operation(operation: str) -> str:
    """Return an operation with identifiers that differ in every run replaced by `{id}`."""
    return _VOLATILE.sub("{id}", operation)


def stable_destination(name: str) -> str:
    """Return a queue's or topic's name with what differs in every run replaced by `{id}`."""
    return _TRANSIENT.sub("{id}", name)


def child(parent: bytes, frame: Frame) -> bytes:
    """Return the index of `frame` under the index `parent`."""
    encoded = [part.encode() for part in _parts(frame)]
    told = b"".join([len(part).to_bytes(4, "big") + part for part in encoded])
    return blake2b(parent + told, digest_size=DIGEST_SIZE).digest()


def ask(parent: bytes, position: int) -> bytes:
    """Return the index of a question that stands at `position` within the index `parent`."""
    return blake2b(parent + position.to_bytes(8, "big"), digest_size=DIGEST_SIZE).digest()


def _parts(frame: Frame) -> tuple[str, ...]:
    if isinstance(frame, BranchFrame):
        return ("branch", frame.operation, frame.module, frame.function, str(frame.number))
    parts = (
        "call",
        frame.source,
        frame.module,
        frame.function,
        stable_operation(frame.operation),
        str(frame.occurrence),
    )
    return parts if frame.payload is None else (*parts, frame.payload.hex())
