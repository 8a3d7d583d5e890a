"""Which request a branch belongs to, and whether who waited for one may know what it knows.

How branches are forked is in `fork`, how messages are taken in `message`.
"""

from __future__ import annotations

import os
from typing import Final

from baggage.boundary.consuming import standing
from baggage.context import Branch, branch, ensure

_REQUEST: Final = "baggage.request"


def request_of(running: Branch) -> bytes:
    """Return what names the scope that a branch is a part of, here and in other processes."""
    notes = running.scope.notes
    name: bytes | None = notes.get(_REQUEST)
    return notes.setdefault(_REQUEST, os.urandom(8)) if name is None else name


def name_request(opened: Branch, name: bytes) -> None:
    """Let a branch's own scope be a part of a request of another process, if that has a name."""
    if name:
        opened.notes[_REQUEST] = name


def join_awaited(child: Branch) -> None:
    """Merge what a branch knows, which another one forked, into that of who has waited for it.

    Several requests may wait for the same. But a worker that hands its messages on to a pool, or
    to tasks, and waits for these at the end of a batch or for want of room, is no part of what it
    waits for: what came with one message must not get into the next ones.
    """
    if _passes_on(child):
        return
    ensure().join(child, batch=True)


def _passes_on(child: Branch) -> bool:
    running = branch()
    if running is None or running.workers:
        return child.scope.arrived
    if running.scope is child.scope or standing() is None:
        return False
    return request_of(running) != request_of(child)
