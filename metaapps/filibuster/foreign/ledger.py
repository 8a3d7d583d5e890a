"""The foreign calls of one execution: what was announced, what became of it, what shall fail.

Foreign indices become ours here. The enclosing call is found by the path, positions follow the
order of arrival, and occurrences are counted anew, since the original's counts don't travel. So a
call keeps its index when lines, directories or machines change, which the original's names don't.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from threading import Condition
from typing import Final

from metaapps.filibuster import index
from metaapps.filibuster.catalogue import Catalogue
from metaapps.filibuster.coordinator import Inbox
from metaapps.filibuster.foreign.catalogue import FOREIGN_DEFAULT
from metaapps.filibuster.foreign.faults import Told, told
from metaapps.filibuster.foreign.messages import Clock, Completed, Invocation, Received
from metaapps.filibuster.foreign.path import ForeignPath
from metaapps.filibuster.index import CallFrame
from metaapps.filibuster.observation import Observation, Role
from metaapps.filibuster.plan import Plan, PlannedFault

MAX_CALLS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Announced:
    """What `create` answers: a number, and the fault that the call shall suffer."""

    number: int
    told: Told


@dataclass(slots=True)
class _Call:
    """One call that was announced; `told` is the fault that its client was told of."""

    seen: Observation
    told: Told
    planned: PlannedFault | None
    ended: bool = False


class Ledger:
    """What foreign services tell of one execution. Safe in any thread.

    A call goes on to the execution's inbox when it ends, since only then it is known whole. Numbers
    start from `first`, so that what an earlier execution announced is never mistaken.
    """

    def __init__(
        self, plan: Plan, inbox: Inbox, first: int = 0, catalogue: Catalogue = FOREIGN_DEFAULT
    ) -> None:
        """Start with nothing; `catalogue` says what else clients are told about a fault."""
        self.inbox = inbox
        self._catalogue = catalogue
        self._plan = plan
        self._first = first
        self._changed = Condition()
        self._services: set[str] = set()
        self._calls: list[_Call] = []
        self._by_path: dict[ForeignPath, list[_Call]] = defaultdict(list)
        self._positions: Counter[bytes] = Counter()
        self._occurrences: Counter[tuple[bytes, CallFrame]] = Counter()
        self._targets: dict[bytes, str] = {}

    @property
    def next(self) -> int:
        """The number that the next call will get."""
        return self._first + len(self._calls)

    @property
    def observations(self) -> tuple[Observation, ...]:
        """The calls that were announced, in the order of their arrival."""
        with self._changed:
            return tuple(call.seen for call in self._calls)

    @property
    def quiet(self) -> bool:
        """Whether every call that was announced has ended."""
        with self._changed:
            return self._all_ended()

    def is_new_to(self, service: str) -> bool:
        """Say whether this execution is new to a service: yes once, and then no."""
        with self._changed:
            if service in self._services or len(self._services) >= MAX_CALLS:
                return False
            self._services.add(service)
            return True

    def announce(self, call: Invocation) -> Announced | None:
        """Take up a call that is about to be made; None if there are too many."""
        with self._changed:
            if len(self._calls) >= MAX_CALLS:
                return None
            seen = self._placed(call)
            planned = self._plan.at(seen.index)
            what: Told | None = None
            if planned is not None:
                seen = replace(seen, target=planned.target)
                metadata = self._catalogue.metadata_for(planned.fault, seen)
                what = told(planned.fault, call.library, metadata)
            taken = _Call(seen, what or {}, planned)
            self._calls.append(taken)
            self._by_path[call.path].append(taken)
            return Announced(self._first + len(self._calls) - 1, taken.told)

    def receive(self, message: Received) -> bool:
        """Note which service a call has arrived at; False for a call that nobody announced."""
        ours = None if message.path is None else message.path.ours
        with self._changed:
            if ours is not None and len(self._targets) < MAX_CALLS:
                self._targets[ours] = message.target
                return True
            call = self._numbered(message.number)
            if call is None:
                return False
            if not call.ended:
                call.seen = replace(call.seen, target=message.target)
            return True

    def complete(self, message: Completed) -> Observation | None:
        """Note what became of a call, and return all of it; None if no such call is open."""
        with self._changed:
            call = self._numbered(message.number)
            if call is None or call.ended:
                return None
            call.ended = True
            hit = call.planned is not None and _was_enacted(call.told, message)
            call.seen = replace(
                call.seen,
                raised=message.raised,
                status=message.status,
                ok=message.ok,
                digest=message.digest,
                injected=call.planned.fault if hit and call.planned is not None else None,
            )
            self.inbox.put((call.seen,))
            self._changed.notify_all()
            return call.seen

    def settle(self, within: float) -> bool:
        """Wait until every call has ended, at most `within` seconds; say whether all have.

        Those that have not go on to the inbox as they are, and count as ended from then on.
        """
        with self._changed:
            all_ended = self._changed.wait_for(self._all_ended, within)
            for call in self._calls:
                if not call.ended:
                    call.ended = True
                    self.inbox.put((call.seen,))
            return all_ended

    def named(self, observations: Iterable[Observation]) -> tuple[Observation, ...]:
        """Return observations of ours, with the names of the foreign services that were called."""
        with self._changed:
            targets = dict(self._targets)
        return tuple(
            replace(seen, target=targets[seen.index]) if seen.index in targets else seen
            for seen in observations
        )

    def _placed(self, call: Invocation) -> Observation:
        parent = self._parent(call)
        operation = index.stable_operation(call.operation)
        same = index.call_frame(call.source, call.site, operation, 0, by_test=False)
        self._occurrences[(parent, same)] += 1
        occurrence = self._occurrences[(parent, same)]
        return Observation(
            role=Role.CALL,
            index=index.child(parent, replace(same, occurrence=occurrence)),
            parent=parent,
            position=self._position(parent),
            source=call.source,
            library=call.library,
            method=call.method,
            operation=operation,
            arguments=call.arguments,
            site=call.site,
            occurrence=occurrence,
            timeout=call.timeout,
            clock=call.clock,
            origin=call.origin,
        )

    def _position(self, parent: bytes) -> int:
        if parent == index.ROOT:
            # Where the test's own questions are numbered too.
            return self.inbox.place()
        self._positions[parent] += 1
        return self._positions[parent] - 1

    def _parent(self, call: Invocation) -> bytes:
        """Return the index of the call that a call was made for.

        One of our own calls names itself. Of several foreign calls with one path, the origin clock
        says which; and so it does where paths were switched off in the client.
        """
        around = call.path.enclosing
        if around.ours is not None:
            return around.ours
        if around.pairs and around not in self._by_path:
            return around.digest()  # Nothing tells of it: the tree will say so.
        candidates = self._by_path[around] if around.pairs else self._clocked(call.origin)
        if not candidates:
            return index.ROOT
        exact = [c for c in candidates if dict(c.seen.clock) == dict(call.origin)]
        waiting = [c for c in exact or candidates if not c.ended]
        return (waiting or exact or candidates)[-1].seen.index

    def _clocked(self, origin: Clock) -> list[_Call]:
        return [c for c in self._calls if origin and dict(c.seen.clock) == dict(origin)]

    def _numbered(self, number: int | None) -> _Call | None:
        place = -1 if number is None else number - self._first
        return self._calls[place] if 0 <= place < len(self._calls) else None

    def _all_ended(self) -> bool:
        return all(call.ended for call in self._calls)


def _was_enacted(told: Told, message: Completed) -> bool:
    """Say whether what became of a call is what its client was told to make of it.

    Clients name exceptions in their own ways, so any counts for the one that was ordered.
    """
    if "forced_exception" in told:
        return message.raised is not None
    failure: Mapping[str, object] = told.get("failure_metadata", {})
    returned = failure.get("return_value")
    wanted = returned.get("status_code") if isinstance(returned, dict) else None
    return wanted is not None and message.raised is None and str(message.status) == wanted
