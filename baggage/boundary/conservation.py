"""The law of conservation: over the branches of a request, rights to write neither grow nor shrink.

Belongs here: what is noted of one request for that, and what breaks the law. An application's own
mistakes don't: whatever it packs or removes, the ids of its branches stay what they are. What else
an audit sees at boundaries is in `audit`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final

from baggage.boundary.call import UNKNOWN_SITE, CallSite
from baggage.boundary.finding import Finding, Problem
from baggage.boundary.site import call_site
from baggage.clock import NONE, SEED, ZERO, Event, Id, id_mass, leq, less_id, overlaps, sum_id
from baggage.context import Branch, Joining
from baggage.values import Baggage
from baggage.values.history import History
from baggage.values.known import Known
from baggage.values.pen import Spent, new_root, taken

_LAST: Final = "audit.last"
_REMEMBERED: Final = 4096


@dataclass(slots=True, eq=False)
class Opened:
    """A request that was opened, at a place; what it `carries` tells it apart from others.

    That is what it `owns`, and what came along.
    """

    request: str
    carries: frozenset[int]
    owns: frozenset[int]
    at: CallSite = UNKNOWN_SITE
    over: bool = False


class Requests:
    """Whose roots these are, as far as they came or were made here; the last ones. Thread-safe."""

    def __init__(self) -> None:
        """Know of none."""
        self._lock = Lock()
        self._opened: OrderedDict[int, Opened] = OrderedDict()

    def add(self, opened: Opened) -> None:
        """Remember a request; what another one brought before stays that one's."""
        with self._lock:
            for root in opened.carries:
                self._opened.setdefault(root, opened)
            while len(self._opened) > _REMEMBERED:
                self._opened.popitem(last=False)

    def other(self, roots: Iterable[int], mine: Opened) -> Opened | None:
        """Return a request that one of these roots is of, and that has nothing to do with mine."""
        for root in roots:
            if root not in mine.carries:
                opened = self._opened.get(root)
                if opened is not None and opened.carries.isdisjoint(mine.carries):
                    return opened
        return None


@dataclass(slots=True)
class _Lease:
    """Rights to write that went to a callee, and where it was called."""

    given: Mapping[int, Id]
    place: CallSite


@dataclass(slots=True, eq=False)
class Conservation:
    """The accounts of one request, as the watch of its branches. Safe in any thread.

    `owned` is what the scope may write with from its beginning, and `came` what it knew then.
    `failed` says that the application gave up in the midst, so that nobody may have waited.
    """

    opened: Opened
    requests: Requests
    report: Callable[[Finding], None]
    came: Mapping[int, Event]
    owned: Mapping[int, Id]
    service: str = ""
    failed: bool = False
    _unseen: frozenset[int] = frozenset()
    _by_hand: bool = False
    _given: dict[Branch, Mapping[int, Id]] = field(default_factory=dict)
    _robbed: dict[Branch, Any] = field(default_factory=dict)
    _leases: list[_Lease] = field(default_factory=list)
    _closed: CallSite | None = None

    @classmethod
    def open(
        cls,
        running: Branch,
        request: str,
        requests: Requests,
        report: Callable[[Finding], None],
        *,
        by_hand: bool,
    ) -> Conservation:
        """Watch the branch that opens a request's scope, and all that come of it."""
        known = running.baggage.history
        if not known.own:
            running.update(lambda carried: carried.with_history(_rooted(carried.history)))
        history = running.baggage.history
        unseen = frozenset(() if known.own else history.own.keys() - history.seen.keys())
        at = call_site() if by_hand else UNKNOWN_SITE
        owns = frozenset(history.own)
        opened = Opened(request, owns.union(history.seen), owns, at)
        requests.add(opened)
        seen, own, service = history.seen, history.own, running.service
        watch = cls(opened, requests, report, seen, own, service, _unseen=unseen, _by_hand=by_hand)
        running.watch = watch
        return watch

    def wrote(self, branch: Branch, before: Baggage, after: Baggage) -> None:
        """Find who writes too late, with what somebody else wrote with, or out of the past."""
        site, last = call_site(), branch.notes.get(_LAST, UNKNOWN_SITE)
        branch.notes[_LAST] = site
        old, new = before.history, after.history
        self.used(branch, site)
        if not covers(new.seen, old.seen):
            self._found(Problem.REGRESSED, site, last, forked=branch.place)
        if old.own and old.own.keys() <= new.own.keys():
            _spend(old, site)
            self._of_another(old, site)
        elif new.own and (old.own or branch in self._robbed):
            pen = self._robbed.pop(branch, old.pen)
            if not (isinstance(pen, Spent) and pen.joined):
                first = pen.place if isinstance(pen, Spent) else UNKNOWN_SITE
                self._found(Problem.REUSED, site, first, forked=branch.place)

    def joined(self, branch: Branch, before: Baggage, after: Baggage, came: Joining) -> None:
        """Find what comes twice, of another request, or knowing less than it was given."""
        mine, theirs, other = before.history, came.baggage.history, came.branch
        site = call_site() if other is None else None
        if site is not None:
            branch.notes[_LAST] = site
        place = UNKNOWN_SITE if other is None else other.place or UNKNOWN_SITE
        if mine.own.keys() <= after.history.own.keys() and overlapping(mine.own, theirs.own):
            given = self._whose(theirs.own) if other is None else place
            self._found(Problem.OVERLAP, site or call_site(), given)
        if other is not None:
            self._home(branch, other)
        _spend(theirs, site, joined=True)
        _spend(mine, site)
        if theirs.own:
            self._leases = [each for each in self._leases if not _has(after, each.given)]
        if came.batch:
            return
        foreign = self.requests.other(theirs.seen, self.opened)
        if foreign is not None:
            at, request = foreign.at, foreign.request
            self._found(Problem.FOREIGN, site or call_site(), at, request=request, forked=place)
        known = not theirs.empty or not came.baggage.home
        if known and theirs.over is None and not covers(theirs.seen, self.came):
            last = place if other is None else other.notes.get(_LAST, place)
            self._found(Problem.REGRESSED, site or call_site(), last, forked=place)

    def split(self, parent: Branch, before: Baggage, child: Branch) -> None:
        """Note who got a part, and where; find who splits too late."""
        child.place = site = call_site()
        self.used(parent, site)
        self.shared(parent, before, {child: child.baggage})

    def shared(self, parent: Branch, before: Baggage, shares: Mapping[Branch, Baggage]) -> None:
        """Note who got a part, or got none since somebody else had written with it all."""
        for child, share in shares.items():
            if share.history.own:
                self._given[child] = share.history.own
                _spend(before.history, child.place)
            elif before.history.own and not parent.baggage.history.own:
                self._robbed[parent] = self._robbed[child] = before.history.pen

    def lent(self, branch: Branch, before: Baggage, given: Baggage) -> None:
        """Note who called when all was lent to a callee."""
        if given.history.own:
            site = call_site()
            _spend(before.history, site)
            self._leases.append(_Lease(given.history.own, site))

    def repays(self, opened: Branch) -> None:
        """Account for what the scope has before it's given back to who lent it.

        Nobody lent what was made for an audit; who has not seen it can't take it.
        """
        self.account(opened)
        history = opened.baggage.history
        lent = {root: part for root, part in history.own.items() if root not in self._unseen}
        if len(lent) < len(history.own) and self._unseen.isdisjoint(history.seen):
            opened.update(lambda carried: carried.with_history(_owning(carried.history, lent)))

    def closed(self, branch: Branch) -> None:
        """Account for what the scope has, as it ends."""
        self.account(branch)
        self._closed = call_site() if self._by_hand else UNKNOWN_SITE
        self.opened.over = True
        self._given, self._robbed, self._leases = {}, {}, []

    def account(self, opened: Branch) -> None:
        """Find rights to write that the scope had and does not have any more, once."""
        owned, self.owned = self.owned, {}
        if self.failed:
            return
        history = opened.baggage.history
        own = history.own if history.pen is not None and not taken(history.pen) else {}
        for root, whole in owned.items():
            missing = less_id(whole, own.get(root, NONE))
            if missing != NONE:
                self._missing(root, missing, history)

    def _missing(self, root: int, missing: Id, history: History) -> None:
        for child, given in list(self._given.items()):
            if child.untouched or child.watch is None:
                missing = less_id(missing, given.get(root, NONE))
        for place, last, part in self._parts(root):
            if overlaps(missing, part):
                missing = less_id(missing, part)
                self._found(Problem.LOST, place, last)
        if missing != NONE and isinstance(history.pen, Spent) and not history.pen.joined:
            self._found(Problem.LOST, _site(history.pen.place), UNKNOWN_SITE)

    def _parts(self, root: int) -> Iterator[tuple[CallSite, CallSite, Id]]:
        """Yield where a part was given away, where it was last written with, and what part it is.

        The smaller ones come first: what one got may have been given on to another.
        """
        parts = [
            (_site(child.place), _site(child.notes.get(_LAST)), given[root])
            for child, given in list(self._given.items())
            if root in given and not child.untouched and child.watch is not None
        ]
        leased = [each for each in self._leases if root in each.given]
        parts += [(each.place, UNKNOWN_SITE, each.given[root]) for each in leased]
        yield from sorted(parts, key=lambda part: id_mass(part[2]))

    def _home(self, branch: Branch, child: Branch) -> None:
        """Note that a part came back to the branch that it was given by, or to another one."""
        given = self._given.pop(child, None)
        held = self._given.get(branch)
        if given is not None and held is not None:
            summed = dict(held)
            for root, part in given.items():
                summed[root] = sum_id(held.get(root, NONE), part)
            self._given[branch] = summed

    def _whose(self, own: Mapping[int, Id]) -> CallSite:
        """Return where such a part was given away."""
        lent = next((each for each in self._leases if overlapping(each.given, own)), None)
        if lent is not None:
            return lent.place
        given = list(self._given.items())
        return next(
            (_site(child.place) for child, part in given if overlapping(part, own)), UNKNOWN_SITE
        )

    def used(self, branch: Branch, site: CallSite) -> None:
        """Find who writes, or splits, when the scope is over."""
        if self._closed is not None:
            self._found(Problem.LATE, site, self._closed, forked=branch.place)

    def _of_another(self, history: History, site: CallSite) -> None:
        """Find who writes with what a request that is over had."""
        other = self.requests.other(history.own, self.opened)
        if other is not None and other.over and not other.owns.isdisjoint(history.own):
            self._found(Problem.LATE, site, other.at, request=other.request)

    def _found(
        self,
        problem: Problem,
        site: CallSite,
        other: Any,
        *,
        request: str = "",
        forked: CallSite | None = None,
    ) -> None:
        self.report(
            Finding(
                problem=problem,
                site=site,
                other=_site(other),
                source=self.service,
                forked=forked or UNKNOWN_SITE,
                request=request or self.opened.request,
            )
        )


def covers(seen: Mapping[int, Event], earlier: Mapping[int, Event]) -> bool:
    """Say whether all events that `earlier` tells of were seen."""
    return all(leq(event, seen.get(root, ZERO)) for root, event in earlier.items())


def _rooted(history: History) -> History:
    """Return the same with a root of its own from the beginning, not from the first write (R1).

    Where nothing is known, the root is known: so that what comes back can be told to come of this.
    """
    root, known = new_root(), history.known
    return History(Known({root: 1}, {}, known.over) if known.empty else known, {root: SEED})


def _spend(history: History, place: Any, *, joined: bool = False) -> None:
    """Note where a pen was taken, if it was, by whoever was first."""
    pen = history.pen
    if pen is not None and taken(pen) and not isinstance(pen, Spent):
        history.pen = Spent(place, joined=joined)


def _owning(history: History, own: Mapping[int, Id]) -> History:
    return History(history.known, own)


def overlapping(one: Mapping[int, Id], other: Mapping[int, Id]) -> bool:
    """Say whether two could write as one."""
    return any(overlaps(part, other[root]) for root, part in one.items() if root in other)


def _has(baggage: Baggage, given: Mapping[int, Id]) -> bool:
    own = baggage.history.own
    return all(less_id(part, own.get(root, NONE)) == NONE for root, part in given.items())


def _site(place: Any) -> CallSite:
    return place if isinstance(place, CallSite) else UNKNOWN_SITE
