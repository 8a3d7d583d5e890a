"""The dots of the frontier: roots that are tracing's alone, beside those of the application.

A branch that ends spans has a root of its own, which is never split, so a dot takes but the next
height. The application's ids are left alone: being traced makes no difference to what it packs. And
such roots can be told from all others, and be let go of: who doesn't know that an end was
superseded counts it among what came before, which is true. So the frontier takes a bounded part of
a header, however long a trace is.
"""

from __future__ import annotations

import os
from typing import Final

from baggage.context import Branch
from baggage.values import Baggage, Direction, Key, Type
from baggage.values.history import Contribution, Dot
from baggage.values.known import Known, Layer, Roots
from baggage.values.pen import new_root

DONE: Final = Key("tracing.done", type=Type.LAST, direction=Direction.BOTH, priority=200)
"""The frontier: addresses of spans that ended; see `frontier`."""

MAX_ROOTS: Final = 16
"""How many roots are kept whose dots were all superseded: stamps tell of them."""

_NAME: Final = DONE.name
_RANDOM_BITS: Final = 40
_MARK: Final = 0x7ACE5B
_NOTE: Final = "tracing.root"
_NO_ROOT: Final = (0, 0, 0)


def is_ours(root: int) -> bool:
    """Say whether a root is one of tracing's; of another's, one in 16 million looks like it."""
    return root >> _RANDOM_BITS == _MARK


def superseded(carried: Baggage, running: Branch, address: bytes) -> Baggage:
    """Return the baggage of a branch with this end in place of all that it supersedes.

    To be called while the branch changes, and so by one thread at a time.
    """
    process, root, height = running.notes.get(_NOTE, _NO_ROOT)
    if process != os.getpid():  # a fork's child has the notes, but no right to its parent's root
        process, root, height = os.getpid(), _new_root(), 0
    height += 1
    running.notes[_NOTE] = (process, root, height)
    known = _under(carried.history.known, root, height, address)
    return carried.with_history(carried.history.knowing(known))


def cleared(carried: Baggage, came: Known) -> Baggage:
    """Return baggage that knows no more of the frontier than what `came` at the beginning."""
    known = carried.history.known
    if known is came:
        return carried
    if isinstance(known, Layer) and known.base is came and is_ours(known.root):
        return carried.with_history(carried.history.knowing(came))
    seen = {r: event for r, event in known.seen.items() if not is_ours(r) or r in came.seen}
    entries = {name: entry for name, entry in known.entries.items() if name != _NAME}
    before = came.entries.get(_NAME)
    if before is not None:
        entries[_NAME] = before
    left = Known(seen, entries, known.over)
    same = (seen, entries, known.over) == (came.seen, came.entries, came.over)
    return carried.with_history(carried.history.knowing(came if same else left))


def _under(known: Known, root: int, height: int, address: bytes) -> Known:
    if isinstance(known, Layer) and known.root == root:
        base = known.base
    elif height == 1 and not known.mentions(_NAME):
        base = known
    else:
        entry = {Dot(height, root, ""): Contribution(address, Type.LAST, DONE.priority)}
        return Known(_kept(known, root, height), {**known.entries, _NAME: entry}, known.over)
    return Layer(base, root, height, ((_NAME, height, address, Type.LAST, DONE.priority),))


def _kept(known: Known, root: int, height: int) -> Roots:
    """Return what was seen, without the oldest of our roots where there are many."""
    seen = {**known.seen, root: height}
    ours = [each for each in seen if each != root and is_ours(each)]
    for oldest in ours[: max(0, len(ours) - MAX_ROOTS)]:
        del seen[oldest]
    return seen


def _new_root() -> int:
    return _MARK << _RANDOM_BITS | new_root() & (1 << _RANDOM_BITS) - 1
