"""Execution indices: names for calls that are the same in every execution of a functional test.

An index is a rolling digest over the path of frames from the functional test to the call (after the
distributed execution indices of Meiklejohn et al., SoCC'21). A frame holds nothing of the machine,
the checkout path, line numbers or ports. Counting occurrences is up to the branch that calls.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from baggage.boundary import CallSite

DIGEST_SIZE: Final = 16
ROOT: Final = bytes(DIGEST_SIZE)
"""The index of the functional test itself."""
TEST: Final = "test"
"""What the functional test is called, among the services."""

# A path segment that names one random object would make every run's index another.
_VOLATILE = re.compile(
    r"(?<=/)(?:[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}|[0-9a-fA-F]{16,})(?=/|$)"
)


@dataclass(frozen=True, slots=True)
class CallFrame:
    """One call: who calls from where, what it asks for, and which time this is in its branch.

    `occurrence` counts from 1 among the calls of one branch, under one enclosing call, that are
    otherwise equal.
    """

    source: str
    module: str
    function: str
    operation: str
    occurrence: int

    def __str__(self) -> str:
        return f"{self.source}: {self.module}.{self.function} {self.operation} #{self.occurrence}"


def call_frame(
    source: str, site: CallSite, operation: str, occurrence: int, *, by_test: bool
) -> CallFrame:
    """Return the frame of a call. The functional test's own calls stand for what they ask alone.

    So a counterexample that one test found can be replayed by a better one, or by a command.
    """
    if by_test:
        return CallFrame(TEST, "", "", operation, occurrence)
    return CallFrame(source, site.module, site.function, operation, occurrence)


@dataclass(frozen=True, slots=True)
class BranchFrame:
    """One branch of execution (a thread, a task), numbered from 1 in its parent's program order."""

    number: int

    def __str__(self) -> str:
        return f"branch {self.number}"


Frame = CallFrame | BranchFrame


def stable_operation(operation: str) -> str:
    """Return an operation with identifiers that differ in every run replaced by `{id}`."""
    return _VOLATILE.sub("{id}", operation)


def child(parent: bytes, frame: Frame) -> bytes:
    """Return the index of `frame` under the index `parent`."""
    digest = blake2b(parent, digest_size=DIGEST_SIZE)
    for part in _parts(frame):
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(4, "big"))
        digest.update(encoded)
    return digest.digest()


def ask(parent: bytes, position: int) -> bytes:
    """Return the index of a question that stands at `position` within the index `parent`."""
    return blake2b(parent + position.to_bytes(8, "big"), digest_size=DIGEST_SIZE).digest()


def _parts(frame: Frame) -> tuple[str, ...]:
    if isinstance(frame, BranchFrame):
        return ("branch", str(frame.number))
    return (
        "call",
        frame.source,
        frame.module,
        frame.function,
        stable_operation(frame.operation),
        str(frame.occurrence),
    )
