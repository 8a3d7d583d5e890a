"""The law of conservation: over the branches of a request, rights to write neither grow nor shrink.

Belongs here: what is noted of one request for that, and what breaks the law. An application's own
mistakes don't: whatever it packs or removes, the ids of its branches stay what they are. What else
an audit sees at boundaries is in `audit`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Final, ParamSpec

from baggage.boundary.accounts import CALLED, LAST, Accounts, known, overlapping
from baggage.boundary.call import UNKNOWN_SITE, CallSite
from baggage.boundary.finding import Finding, Problem
from baggage.boundary.opened import Opened, Requests
from baggage.boundary.site import call_site
from baggage.clock import SEED
from baggage.context import Branch, Joining
from baggage.values import Baggage
from baggage.values.history import NO_IDS, History
from baggage.values.known import Known, Roots, covers
from baggage.values.lending import bearing
from baggage.values.pen import Owner, Spent, mark, new_root, taken

_log = logging.getLogger("baggage.audit")
_CALL: Final = "a call"
P = ParamSpec("P")


def _isolated(told: Callable[P, None]) -> Callable[P, None]:
    """Keep what goes wrong in an audit from the application."""

    @wraps(told)
    def tell(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            told(*args, **kwargs)
        except Exception:  # noqa: BLE001 - kept from the application
            _log.exception("audit failed")

    return tell


@dataclass(slots=True, eq=False)
class Conservation(Owner):
    """The law in one request, as the watch of its branches. Safe in any thread.

    It marks values that may write, so that it watches them wherever they are used later.

    `came` is what was seen as it began, `made` the roots that were made for it, since none were
    lent. `failed` says that the application gave up in the midst, so that nobody may have waited.
    """

    opened: Opened
    requests: Requests
    report: Callable[[Finding], None]
    accounts: Accounts
    came: Roots
    made: frozenset[int]
    service: str
    by_hand: bool
    failed: bool = False
    _robbed: dict[Branch, Any] = field(default_factory=dict)
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
        lent = running.baggage.history.own
        if not lent:
            running.update(lambda carried: carried.with_history(_rooted(carried.history)))
        own, seen = running.baggage.history.own, running.baggage.history.seen
        made = frozenset(() if lent else own)
        at = call_site() if by_hand else UNKNOWN_SITE
        opened = Opened(request, frozenset({*own, *seen}), at)
        requests.add(opened)
        service = running.service
        watch = cls(opened, requests, report, Accounts(own), seen, made, service, by_hand)
        running.watch = watch
        mark(running.baggage.history.pen, watch)
        return watch

    @_isolated
    def wrote(self, branch: Branch, before: Baggage, after: Baggage) -> None:
        """Find who writes too late, with what somebody else wrote with, or out of the past."""
        site, last = call_site(), branch.notes.get(LAST, UNKNOWN_SITE)
        branch.notes[LAST] = site
        old, new = before.history, after.history
        self.used(branch, site)
        mark(new.pen, self)
        if not covers(new.seen, old.seen):
            self._found(Problem.REGRESSED, site, last, forked=branch.place)
        if old.own and old.own.keys() <= new.own.keys():
            _spend(old, site)
        elif new.own and (old.own or branch in self._robbed):
            pen = self._robbed.pop(branch, old.pen)
            if not (isinstance(pen, Spent) and pen.joined):
                first = pen.place if isinstance(pen, Spent) else UNKNOWN_SITE
                self._found(Problem.REUSED, site, first, forked=branch.place)

    @_isolated
    def joined(self, branch: Branch, before: Baggage, after: Baggage, came: Joining) -> None:
        """Find what comes twice, of another request, or knowing less than it was given."""
        mine, theirs, other = before.history, came.baggage.history, came.branch
        site = call_site() if other is None else None
        if site is not None:
            branch.notes[LAST] = site
        place = UNKNOWN_SITE if other is None else other.place or UNKNOWN_SITE
        if overlapping(came.held, theirs.own):
            given = self.accounts.giver(theirs.own) if other is None else place
            self._found(Problem.OVERLAP, site or call_site(), given)
        if other is not None:
            self.accounts.came_home(other, branch)
        _spend(theirs, site, joined=True)
        _spend(mine, site)
        mark(after.history.pen, self)
        if theirs.own:
            self.accounts.repaid(after.history.own)
        while (foreign := self.requests.other(theirs.seen, self.opened)) is not None:
            self.opened.carries |= foreign.carries  # and so does all that comes of this
            if not came.batch:
                at, request = foreign.at, foreign.request
                self._found(Problem.FOREIGN, site or call_site(), at, request=request, forked=place)
        if came.batch:
            return
        told = not theirs.empty or not came.baggage.home
        if told and theirs.over is None and not covers(theirs.seen, self.came):
            last = place if other is None else other.notes.get(LAST, place)
            self._found(Problem.REGRESSED, site or call_site(), last, forked=place)

    @_isolated
    def split(self, parent: Branch, before: Baggage, child: Branch) -> None:
        """Note who got a part, and where; find who splits too late."""
        child.place = site = call_site()
        self.used(parent, site)
        self.shared(parent, before, {child: child.baggage})

    @_isolated
    def shared(self, parent: Branch, before: Baggage, shares: Mapping[Branch, Baggage]) -> None:
        """Note who got a part, or got none since somebody else had written with it all."""
        mark(parent.baggage.history.pen, self)
        for child, share in shares.items():
            mark(share.history.pen, self)
            if share.history.own:
                self.accounts.gave(child, share.history.own)
                _spend(before.history, child.place)
            elif before.history.own and not parent.baggage.history.own and not self.opened.over:
                self._robbed[parent] = self._robbed[child] = before.history.pen

    @_isolated
    def lent(self, branch: Branch, before: Baggage, given: Baggage) -> None:
        """Note who called when all was lent to a callee."""
        if given.history.own:
            # The audit was just told of the call; here, the library's frames are any frames.
            site = branch.notes.get(CALLED) or call_site()
            _spend(before.history, site)
            self.accounts.lent(branch, given.history.own, site)

    def repays(self, opened: Branch) -> None:
        """Account for what the scope has before it's given back to who lent it.

        Nobody lent what was made for an audit; who has not seen it can't take it.
        """
        self.account(opened)
        history = opened.baggage.history
        lent = {root: part for root, part in history.own.items() if root not in self.made}
        seen = history.seen
        untold = self.made.isdisjoint(seen) or seen == self.came  # and so does not go back
        if untold and len(lent) < len(history.own):
            opened.update(lambda carried: bearing(carried, lent))

    @_isolated
    def closed(self, branch: Branch) -> None:
        """Account for what the scope has, as it ends."""
        self.account(branch)
        self._closed = call_site() if self.by_hand else UNKNOWN_SITE
        self.opened.over = True
        self._robbed = {}

    def account(self, opened: Branch) -> None:
        """Find rights to write that the scope had and does not have any more, once."""
        history = opened.baggage.history
        pen = history.pen
        used_up = pen is None or taken(pen)
        lost, more = self.accounts.close(NO_IDS if used_up else history.own)
        if self.failed:
            return
        for each in lost:
            self._found(Problem.LOST, each.place, each.last, crossing=_CALL if each.lent else "")
        if more and isinstance(pen, Spent) and isinstance(pen.place, CallSite) and not pen.joined:
            self._found(Problem.LOST, pen.place, UNKNOWN_SITE)

    def used(self, branch: Branch, site: CallSite) -> None:
        """Find who writes, or splits, when the scope is over."""
        if self._closed is not None and not self.failed:
            self._found(Problem.LATE, site, self._closed, forked=branch.place)

    def _found(
        self,
        problem: Problem,
        site: CallSite,
        other: Any,
        *,
        request: str = "",
        forked: CallSite | None = None,
        crossing: str = "",
    ) -> None:
        self.report(
            Finding(
                problem=problem,
                site=site,
                other=known(other),
                source=self.service,
                forked=forked or UNKNOWN_SITE,
                request=request or self.opened.request,
                crossing=crossing,
            )
        )


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
        history.pen = Spent(pen, place, joined=joined)
