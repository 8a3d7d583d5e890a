"""Branches of execution: who owns the current baggage.

One `ContextVar` (in `running`) holds a small mutable branch, which holds the immutable baggage. A
value in the variable itself would be lost wherever a library copies the context (new tasks, thread
hand-overs, interceptors); the branch is shared by such copies, so what they write comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import RLock
from typing import Any

from baggage.context.family import Family
from baggage.context.watch import Joining, Watch, contributed
from baggage.values import EMPTY, Baggage, Key, Value
from baggage.values.known import Known
from baggage.values.lending import halved


class Branch:
    """One branch of execution and the baggage that it carries now.

    Owned by whoever runs in it. All methods are safe in any thread, and in signal handlers and
    finalizers: they replace the baggage under a lock. `service` is the name of the service that
    runs here, "" for the process's own. `notes` is scratch space of meta-applications, by name; it
    never leaves the branch. `place` is the call site that forked this branch, None where none is
    known. `taker` is the branch of the same request that took the message which this one is, None
    for others. `joined` is the forked branch that was joined last, and `following` the one whose
    outcome is dealt with just now, where several are in the order in which they end. `watch` is
    told what happens to it, and to what is forked or split from it; None for nobody. One that
    `arrived` carries what came with a request, or a message, whose scope it opened. Of one that has
    `crossed`, flows were asked for a passage.
    """

    # What most branches never have, in the class: each is made in half the time. For loans, see
    # `fork`; what concerns them is read and written under the lock.
    _family: Family | None = None
    _closed = False
    _lender: Branch | None = None
    _lent: set[Branch] | None = None
    _share: Baggage | None = None
    _given: Known | None = None  # what it knew as it lent all that it had borrowed
    place: Any = None
    taker: Branch | None = None
    joined: Branch | None = None
    following: Branch | None = None
    watch: Watch | None = None
    arrived = crossed = False

    def __init__(
        self,
        baggage: Baggage = EMPTY,
        service: str = "",
        *,
        muted: bool = False,
        scope: Branch | None = None,
        idle: bool = False,
    ) -> None:
        """Start a branch with `baggage`. A `muted` one is invisible to instrumentations.

        `scope` is the branch whose scope this one belongs to; without one it opens its own. An
        `idle` one was started by nobody: no request is behind it, as with a worker of the process.
        """
        self._baggage = baggage
        self._lock = RLock()
        self._scope = scope  # None for its own: a reference to itself would be for the collector.
        self._idle = idle
        self.service = service
        self.muted = muted
        self.notes: dict[str, Any] = {}

    @property
    def baggage(self) -> Baggage:
        """What is carried at this moment."""
        return self._baggage

    @property
    def scope(self) -> Branch:
        """The branch that opened the scope which this one is part of: a request's, say."""
        return self._scope or self

    @property
    def over(self) -> bool:
        """Whether that scope has closed: this branch outlived its request."""
        return self.scope._closed

    @property
    def idle(self) -> bool:
        """Whether nobody is behind this branch, and nothing is carried in it."""
        return self.scope._idle and self._baggage.empty

    @property
    def workers(self) -> bool:
        """Whether nobody is behind this branch, whatever a worker carries in it for itself."""
        return self.scope._idle

    @property
    def alone(self) -> bool:
        """Whether there is nothing to bring home: no children, and no `home` values."""
        return self._family is None and not self._baggage.home

    @property
    def untouched(self) -> bool:
        """Whether this was forked, and nobody has written anything in it since.

        Who was called from here may have been lent its right to write meanwhile.
        """
        return self._lender is not None or self._given is self._baggage.history.known

    def close(self) -> None:
        """Close the scope that this branch opened."""
        self._closed = True
        if self.watch is not None:
            self.watch.closed(self)

    @property
    def family(self) -> Family:
        """The branches that were forked from this one and not joined."""
        with self._lock:
            if self._family is None:
                self._family = Family(self._lock)
            return self._family

    def update(
        self, change: Callable[[Baggage], Baggage], joining: Joining | None = None
    ) -> Baggage:
        """Replace the baggage by what `change` makes of it, and return that.

        `joining` tells the watch what `change` joins.
        """
        with self._lock:
            if self._lender is not None or self._lent:
                self._settle()
            before = self._baggage
            after = change(before)
            if self._baggage is not before:  # by a signal handler or finalizer that ran meanwhile
                after = after.join(self._baggage)
            self._baggage = after
        if self.watch is not None:
            if joining is not None:
                self.watch.joined(self, before, after, joining)
            elif after.history is not before.history:
                self.watch.wrote(self, before, after)
        return after

    def pack(self, key: Key | str, value: Value) -> None:
        """Add a value; see `Baggage.pack`."""
        self.update(lambda carried: carried.pack(key, value))

    def unpack(self, key: Key | str) -> tuple[Value, ...]:
        """Return the values under a key; see `Baggage.unpack`."""
        return self._baggage.unpack(key)

    def split(self) -> Branch:
        """Fork: return a new branch that knows what this one knows; see `Baggage.split`."""
        before = theirs = EMPTY
        if self._baggage is not EMPTY:
            with self._lock:
                self._settle()
                before = self._baggage
                self._baggage, theirs = before.split()
        child = Branch(theirs, self.service, muted=self.muted, scope=self.scope)
        if self.watch is not None:
            child.watch = self.watch
            self.watch.split(self, before, child)
        return child

    def lend(self) -> Baggage:
        """Give all rights to write away, to a callee who is waited for; return what it gets.

        A `join` of what the callee returns brings them back. See `Baggage.lend`.
        """
        with self._lock:
            borrowed = self._lender is not None
            self._take_most()
            self._settle()
            before = self._baggage
            if borrowed:
                self._given = before.history.known
            self._baggage, theirs = before.lend()
        if self.watch is not None:
            self.watch.lent(self, before, theirs)
        return theirs

    def join(self, other: Branch | Baggage, *, batch: bool = False) -> None:
        """Merge a branch, or what came back from one. Joining twice is harmless.

        A branch that was joined may go on: what it writes later is under a root of its own. `batch`
        declares that what comes may be another request's, which an audit would report.
        """
        if other is self:
            return
        theirs = other._baggage if isinstance(other, Branch) else other
        if isinstance(other, Branch) and other._lender is not None:
            theirs = theirs.peeked()  # its ids are the lender's
        brought, mine = theirs.history, self._baggage.history
        if brought.known is mine.known and not (
            theirs.home or (brought.own and brought is not mine)
        ):
            return  # Nothing new: what is lent stays lent.
        joining = None
        if self.watch is not None:
            theirs = contributed(theirs)
            held = contributed(self._baggage).history.own
            joining = Joining(theirs, held, other if isinstance(other, Branch) else None, batch)
        self.update(lambda carried: carried.join(theirs), joining)

    def fork(self) -> Branch:
        """Split, and take up the new branch in the family; the same as by `split` and `family`.

        Most branches never write. So the values are split no sooner than one of the two is about to
        change its own; until then they hold the same, and a child that never did has nothing to
        bring home. Parent and child share a lock, which nobody holds for long.
        """
        with self._lock:
            theirs = self._baggage
            if theirs.home:
                theirs = theirs.without_home()
            child = Branch.__new__(Branch)  # `__init__` would make a lock, at half of all the cost
            child._baggage, child._lock, child._scope = theirs, self._lock, self._scope or self
            child._idle, child.service, child.muted = False, self.service, self.muted
            child.notes, child._lender = {}, self
            self._lent = lent = self._lent or set()
            lent.add(child)
            self._family = family = self._family or Family(self._lock)
            family._children[child] = False
        if self.watch is not None:
            child.watch = self.watch
        return child

    def ended(self, child: Branch) -> bool:
        """Note that a child of the family has ended; False if it's on its own; see `Family`."""
        with self._lock:
            self._unlend(child)
            if child._lender is self or (self._family and child in self._family._children):
                self._regain(child)
            return self._family is not None and self._family.ended(child)

    def rejoin(self, child: Branch) -> None:
        """Join a child of the family, and let go of it."""
        family, lent = self._family, self._lent
        held = (lent and child in lent) or (family and child in family._children)
        if not held and child._lender is self and child._share is None:
            return  # It has ended and never wrote: there is nothing that a lock would guard.
        with self._lock:
            if self._family is not None:
                self._family.forget(child)
            if child._lender is not self:
                self.join(child)
            elif child._share is not None:
                child._adopt()
                self.join(child)
            else:
                self._unlend(child)

    def underway(self) -> Sequence[Branch]:
        """Return the forked branches that nobody joined and that have not ended."""
        family = self._family
        return () if family is None else family.running()

    def release(self) -> Sequence[Branch]:
        """Let go of all forked branches that nobody joined; return those that have ended."""
        family = self._family
        return () if family is None else family.release()

    def recall(self) -> None:
        """Take back what forked branches got and never wrote with.

        For who is about to give all away, and waits for none of them: if one of them does write, it
        makes a root.
        """
        with self._lock:
            self._lent = None
            for child in () if self._family is None else self._family.running():
                self._regain(child)

    def take_home(self) -> Baggage:
        """Take the `home` values out of this branch; return baggage of them alone."""
        if not self._baggage.home:
            return EMPTY
        with self._lock:
            whole = self._baggage
            self._baggage = whole.without_home()
            return Baggage(home=whole.home) if whole.home else EMPTY

    def _unlend(self, child: Branch) -> None:
        """Keep nothing for a child that never wrote. The lock is held."""
        if self._lent is not None:
            self._lent.discard(child)

    def _regain(self, child: Branch) -> None:
        """Take back what a child got, if nobody wrote with it. The lock is held."""
        share, child._share = child._share, None
        if child._lender is None and child._given is child._baggage.history.known:
            share, child._baggage = child._baggage, child._baggage.peeked()
        if share is not None and share.history.own:
            self._baggage = self._baggage.join(share.without_home())

    def _settle(self) -> None:
        """Split what is lent, or was borrowed, before this branch changes. Its lock is held.

        That is the lender's, too.
        """
        lender = self._lender
        if lender is not None:
            if self._share is None:
                lender._settle()
            self._adopt()
        lent, self._lent = self._lent, None
        if lent:
            before = self._baggage
            self._baggage, *shares = before.split(len(lent) + 1)
            for child, share in zip(lent, shares, strict=True):
                child._share = share
            if self.watch is not None:
                self.watch.shared(self, before, dict(zip(lent, shares, strict=True)))

    def _take_most(self) -> None:
        """Take what was borrowed, and leave the lender a half of this one's part, or less.

        Whoever forked a branch that calls waits for it, most likely, and for the others that it
        forked by now, which share with this one. At the end of a long chain of such branches all
        goes to the one that calls. The lock is held, which is the lender's.
        """
        lender = self._lender
        if lender is None or self._share is not None or self not in (lender._lent or ()):
            return
        others, lender._lent = [each for each in lender._lent or () if each is not self], None
        lender._take_most()
        lender._settle()
        before = lender._baggage
        whole = before.history
        mine, *parts = whole.split(len(others) + 1) if others else (whole,)
        most, rest = mine.split(2) if others else halved(mine)
        lender._baggage, theirs = before.with_history(rest), before.without_home()
        shares = {self: theirs.with_history(most)}
        for other, part in zip(others, parts, strict=True):
            shares[other] = theirs.with_history(part)
        for child, share in shares.items():
            child._share = share
        self._adopt()
        if lender.watch is not None:
            lender.watch.shared(lender, before, shares)

    def _adopt(self) -> None:
        """Take what the lender has split off; if that's nothing, go on without a right to write."""
        share, self._share = self._share, None
        self._baggage = self._baggage.peeked() if share is None else share
        self._lender = None
