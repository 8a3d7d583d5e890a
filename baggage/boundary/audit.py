"""Audit mode: an observer at all boundaries that names the hops where context gets lost.

Belongs here: what tells broken propagation from an application's own bugs. What a finding is, is in
`finding`; how a callee tells what it got, in `receipt`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Final
from weakref import WeakMethod

from baggage.boundary.accounts import CALLED
from baggage.boundary.call import UNKNOWN_SITE, Call, CallSite, Kind
from baggage.boundary.conservation import Conservation
from baggage.boundary.finding import Finding, Problem
from baggage.boundary.metaapp import PROCEED, Flow, Interest
from baggage.boundary.opened import Requests
from baggage.boundary.outcome import Outcome, Raised, Receipt, Returned
from baggage.boundary.policy import Policy
from baggage.context import Branch, branch

_log = logging.getLogger("baggage.audit")
_NAME: Final = "audit"
_REMEMBERED: Final = 1024
# Whose branches may well outlive a request: background tasks, and what is forked by hand.
_OUTLIVING: Final = frozenset({"baggage", "starlette"})
# Of these, what nobody need ever join.
_DECLARED: Final = frozenset({"BackgroundTask", "keep", "keep.call"})
_BY_HAND: Final = "baggage"
_SPLIT: Final = (_BY_HAND, "split")
_AT_ANSWERS: Final = {Receipt.BEHIND: Problem.REGRESSED, Receipt.DOUBLED: Problem.OVERLAP}
_ASKED_WRONGLY: Final = range(400, 500)


@dataclass(slots=True)
class _Memory:
    """What is remembered of one branch, in its notes, by whoever runs in it.

    `acts` says by place how many scopes had begun when the branch last departed there. For a branch
    that opened a scope, `request` says for what, `closed` how many had begun when it closed, `late`
    where branches were forked after that, and `chain` is `acts` of all those together.
    """

    outlives: bool = False
    acts: dict[CallSite, int] = field(default_factory=dict)
    request: str = ""
    closed: int | None = None
    late: set[CallSite] = field(default_factory=set)
    chain: dict[CallSite, int] = field(default_factory=dict)


class Audit:
    """A meta-application that only looks, and logs each finding once. Safe in any thread.

    It carries nothing and changes nothing. Receipts are the policy's to switch on: without them it
    finds what goes wrong within this process.
    """

    name: Final = _NAME

    def __init__(self, may_receive: Callable[[str], bool] | None = None) -> None:
        """Start without findings. `may_receive` says of a host whether baggage may go there.

        In which context one calls a host that may not get it does not matter.
        """
        self._may_receive = may_receive or Policy().may_receive
        self._lock = Lock()
        self._found: dict[tuple[object, ...], tuple[Finding, int]] = {}
        self._begun = 0
        self._open = 0
        self._own: set[CallSite] = set()
        self._requests = Requests()
        if hasattr(os, "register_at_fork"):
            renew = WeakMethod(self._renew)
            os.register_at_fork(after_in_child=lambda: _call(renew()))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was found, each hop once, in order."""
        return tuple(self.counts)

    @property
    def counts(self) -> Mapping[Finding, int]:
        """How often each was found."""
        with self._lock:
            return dict(self._found.values())

    def clear(self) -> None:
        """Forget what was found: it is logged again when it is found again."""
        with self._lock:
            self._found.clear()

    def interest(self, kind: Kind, library: str) -> Interest:
        """Look at all crossings, but for work of branches that says nothing by itself."""
        if kind is Kind.RUN and library not in _OUTLIVING:
            return Interest.NONE
        return Interest.OBSERVE

    def around(self, call: Call) -> Flow:
        """Look at one crossing."""
        return _FLOWS[call.kind](self, call)

    def _call(self, call: Call) -> Flow:
        self._departs(call)
        self._answered(call, (yield PROCEED))
        return None

    def _put(self, call: Call) -> Flow:
        self._departs(call)
        yield PROCEED
        return None

    def _fork(self, call: Call) -> Flow:
        running = branch()
        if running is not None and running.over:
            opened: _Memory | None = running.scope.notes.get(_NAME)
            if opened is not None:
                opened.late.add(call.site)
            if isinstance(running.watch, Conservation) and (call.library, call.operation) == _SPLIT:
                running.watch.used(running, call.site)
        yield PROCEED
        return None

    def _run(self, call: Call) -> Flow:
        running = branch()
        if running is not None:
            _memory(running).outlives = True
            if call.operation in _DECLARED:
                running.watch = None
        yield PROCEED
        return None

    def _consume(self, call: Call) -> Flow:
        """Look at a message: its consumer may outlive the request that sent it."""
        running = branch()
        if running is not None:
            _memory(running).outlives = True
        return self._serve(call)

    def _serve(self, call: Call) -> Flow:
        running = branch()
        if running is None or running.scope is not running or running.idle:
            yield PROCEED
            return None
        opened = _memory(running)
        opened.request = call.operation
        with self._lock:
            self._begun += 1
            self._open += 1
        watch = Conservation.open(
            running, call.operation, self._requests, self._record, by_hand=call.library == _BY_HAND
        )
        try:
            outcome = yield PROCEED
            # Who gives up need not wait for anybody.
            watch.failed = isinstance(outcome, Raised) or _fails(outcome)
        finally:
            with self._lock:
                self._open = max(0, self._open - 1)
                opened.closed = self._begun
        return None

    def _renew(self) -> None:
        """Go on in a forked child: no thread of the parent's is there to end what it began."""
        self._lock = Lock()
        self._open = 0

    def _departs(self, call: Call) -> None:
        if call.endpoint is not None and not self._may_receive(call.endpoint.host):
            return
        running = branch()
        if running is not None and not running.idle:
            running.notes[CALLED] = call.site
            self._within(call, running)
        elif call.kind is Kind.CLIENT:
            # Servers hand requests to their workers by forks and queues, in no context.
            self._without(call, UNKNOWN_SITE if running is None else running.place)

    def _without(self, call: Call, forked: CallSite | None) -> None:
        """Judge a call in no context: nobody's, if such calls are made when nobody is served."""
        with self._lock:
            if not self._open and len(self._own) < _REMEMBERED:
                self._own.add(call.site)
            suspect = self._open and call.site not in self._own
        if suspect:
            self._found_at(Problem.MISSING, call, forked=forked or UNKNOWN_SITE)

    def _within(self, call: Call, running: Branch) -> None:
        """Judge what departs in a context: stale, if it serves on when its own request is over.

        Work that merely outlives its request departs from a place once, or while no other request
        begins.
        """
        own = _memory(running)
        opened: _Memory | None = running.scope.notes.get(_NAME)
        if own.outlives or opened is None:
            return
        late = running.over
        acts = opened.chain if late and running.place in opened.late else own.acts
        before, acts[call.site] = acts.get(call.site), self._begun
        if not late or before is None or opened.closed is None:
            return
        if self._begun > max(before, opened.closed):
            forked = running.place or UNKNOWN_SITE
            self._found_at(Problem.STALE, call, forked=forked, request=opened.request)

    def _answered(self, call: Call, outcome: Outcome) -> None:
        if outcome.injected is not None:
            return
        if _fails(outcome):
            running = branch()
            watch = None if running is None else running.watch
            if running is not None and isinstance(watch, Conservation):
                watch.accounts.forgive(running)
        receipt = outcome.receipt
        if receipt in (Receipt.NONE_CAME, Receipt.NONE_BACK):
            back = receipt is Receipt.NONE_BACK
            self._found_at(Problem.STRIPPED, call, service=outcome.target, back=back)
        elif receipt in _AT_ANSWERS:
            self._found_at(_AT_ANSWERS[receipt], call, service=outcome.target)
        elif receipt is Receipt.SILENT and isinstance(outcome, Returned) and outcome.facts.ok:
            # An error may be anyone's on the way: a gateway's, or the server's below its hooks.
            self._found_at(Problem.SILENT, call, service=outcome.target)

    def _found_at(
        self,
        problem: Problem,
        call: Call,
        *,
        service: str = "",
        forked: CallSite = UNKNOWN_SITE,
        request: str = "",
        back: bool = False,
    ) -> None:
        finding = Finding(
            problem=problem,
            site=call.site,
            crossing=f"{call.library} {call.operation}",
            source=call.source,
            peer="" if call.endpoint is None else str(call.endpoint),
            service=service,
            forked=forked,
            request=request,
            back=back,
        )
        self._record(finding)

    def _record(self, finding: Finding) -> None:
        with self._lock:
            first, count = self._found.get(finding.key, (finding, 0))
            if count == 0 and len(self._found) >= _REMEMBERED:
                return
            self._found[finding.key] = first, count + 1
        if count == 0:
            _log.warning("%s", finding, extra={"finding": finding})


def _call(renew: Callable[[], None] | None) -> None:
    if renew is not None:
        renew()


def _fails(outcome: Outcome) -> bool:
    """Say whether an answer tells that who gave it failed, and not who asked."""
    status = outcome.facts.status
    return not (outcome.facts.ok or (status is not None and status in _ASKED_WRONGLY))


def _memory(running: Branch) -> _Memory:
    memory: _Memory = running.notes.setdefault(_NAME, _Memory())
    return memory


_FLOWS: Final = {
    Kind.CLIENT: Audit._call,
    Kind.PRODUCER: Audit._put,
    Kind.SPAWN: Audit._fork,
    Kind.RUN: Audit._run,
    Kind.CONSUMER: Audit._consume,
    Kind.SERVER: Audit._serve,
}
