"""Faults and the calls that they fit; the built-in catalogue.

Reading a catalogue from a file is in `analysis_file`. Enacting a fault is up to each library's
adapter; choosing plans is `explore`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from baggage.boundary import Fault, FaultKind
from metaapps.filibuster.catalogue.calls import Calls, begins_after, callees
from metaapps.filibuster.catalogue.expression import Expression, ExpressionError
from metaapps.filibuster.catalogue.rule import Rule
from metaapps.filibuster.deliveries import is_message
from metaapps.filibuster.observation import Observation, Role
from metaapps.filibuster.status import GRPC_CODES, grpc_code, is_grpc
from metaapps.filibuster.tree import Tree

TIMEOUT_SET: Final = "timeout"
_MOST_SHAPES: Final = 1 << 14
ANY: Final = re.compile("")
"""The pattern of any call."""

Metadata = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One fault, and the calls that it fits.

    `calls` must match at the start of "library.method" as in "requests.get", `services` at the
    start of the target's name. `restriction` "timeout" fits only calls that set a timeout; any
    other restriction speaks of what our calls don't show, so that it fits none. The same holds for
    an expression in `metadata` that can't be told for a call. `where` says more of the calls, in
    people's words; it takes gRPC's codes for gRPC's calls alone.

    `attempts` are how many attempts at a call fail, from the first one on; None takes each call for
    itself. `after` are calls of which one must have succeeded before.
    """

    calls: re.Pattern[str]
    fault: Fault
    restriction: str = ""
    services: re.Pattern[str] | None = None
    metadata: tuple[tuple[str, Metadata | Expression], ...] = ()
    where: Calls | None = None
    attempts: int | None = None
    after: Calls | None = None

    @classmethod
    def of(cls, rule: Rule, calls: re.Pattern[str] = ANY) -> Entry:
        """Return the entry for a fault that is written by hand."""
        return cls(calls, rule.fault, where=rule.calls, attempts=rule.attempts, after=rule.after)

    def fits(self, observation: Observation) -> bool:
        """Whether the fault could happen at this call, or to this message; whenever that is."""
        if self.restriction and not (
            self.restriction == TIMEOUT_SET and observation.timeout is not None
        ):
            return False
        if self.services is not None and not any(map(self.services.match, callees(observation))):
            return False
        if not any(self.calls.match(name) for name in _spellings(observation)):
            return False
        return (
            _befalls(self.fault, observation)
            and (self.where is None or self._meant(self.where, observation))
            and self.metadata_for(observation) is not None
        )

    def in_time(self, call: Observation, tree: Tree) -> bool:
        """Whether enough has happened before a call that fits."""
        return self.after is None or begins_after(call, self.after, tree)

    def _meant(self, where: Calls, observation: Observation) -> bool:
        fault = self.fault
        if fault.kind is FaultKind.STATUS and observation.role is Role.CALL:
            grpc = grpc_code("grpc", fault.status) is not None
            if grpc is not is_grpc(observation.library):
                return False
        return where.match(observation)

    def metadata_for(self, observation: Observation) -> Mapping[str, Metadata] | None:
        """Return the metadata with its expressions worked out, None where they can't be."""
        shown = {} if observation.timeout is None else {TIMEOUT_SET: observation.timeout}
        found: dict[str, Metadata] = {}
        for name, value in self.metadata:
            if not isinstance(value, Expression):
                found[name] = value
                continue
            try:
                number = value.evaluate(shown)
            except ExpressionError:
                return None
            # Nobody can sleep for less than no time.
            found[name] = max(number, 0.0) if name == "sleep" else number
        return found


def _befalls(fault: Fault, seen: Observation) -> bool:
    """Say whether a fault of this kind is one of calls, or of messages, as what was seen is."""
    if seen.role is Role.CALL:
        return fault.kind not in _OF_MESSAGES
    if not is_message(seen) or fault.late:
        return False
    kinds = _OF_QUEUES if seen.library in _QUEUES else _OF_BROKERS
    return fault.kind in kinds


_OF_MESSAGES: Final = (FaultKind.DROP, FaultKind.DUPLICATE)
_OF_QUEUES: Final = (*_OF_MESSAGES, FaultKind.DELAY)
_OF_BROKERS: Final = (
    *_OF_QUEUES,
    FaultKind.REFUSED,
    FaultKind.TIMEOUT,
    FaultKind.RESET,
    FaultKind.RAISE,
)
_QUEUES: Final = frozenset({"queue", "asyncio.queues", "multiprocessing.queues"})
"""The libraries whose messages go by no broker, who could fail to answer."""


def _spellings(observation: Observation) -> tuple[str, ...]:
    """Return how a call may be called in a file: ours, and the original's for gRPC."""
    ours = f"{observation.library}.{observation.method}"
    if not observation.library.startswith("grpc"):
        return (ours,)
    return (ours, "grpc.insecure_channel", observation.operation.lstrip("/"))


@dataclass(frozen=True, slots=True)
class Trial:
    """One thing to try at a call: a fault, which befalls so many attempts from this one on."""

    fault: Fault
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class _Fitting:
    """The entries that fit a call, each with its trial; without conditions each trial once."""

    entries: tuple[Entry, ...]
    trials: tuple[Trial, ...]
    conditional: bool

    @classmethod
    def of(cls, entries: tuple[Entry, ...]) -> _Fitting:
        trials = tuple(Trial(entry.fault, entry.attempts or 1) for entry in entries)
        if any(entry.after is not None for entry in entries):
            return cls(entries, trials, conditional=True)
        return cls(entries, tuple(dict.fromkeys(trials)), conditional=False)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Faults to try, in the order in which they shall be tried: exceptions, then statuses.

    It remembers what fits calls that look the same, since a search asks again and again.
    """

    entries: tuple[Entry, ...] = ()
    _known: dict[tuple[object, ...], _Fitting] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def faults_for(self, observation: Observation) -> tuple[Fault, ...]:
        """Return the faults that fit a call, each once, in the catalogue's order."""
        fitting = (entry.fault for entry in self.entries if entry.fits(observation))
        return tuple(dict.fromkeys(fitting))

    def trials_for(self, call: Observation, tree: Tree) -> tuple[Trial, ...]:
        """Return what to try at a call of an execution, each once, in the catalogue's order.

        Messages have trials too. What befalls several attempts is tried at the first one alone.
        """
        fitting = self._fitting(call)
        if not fitting.conditional:
            return fitting.trials
        found = (
            trial
            for entry, trial in zip(fitting.entries, fitting.trials, strict=True)
            if entry.in_time(call, tree)
        )
        return tuple(dict.fromkeys(found))

    def _fitting(self, call: Observation) -> _Fitting:
        first = call.occurrence == 1
        ends = (call.source, call.target, call.library, call.method, call.operation)
        shape = (call.role, first, call.timeout, *ends)
        known = self._known.get(shape)
        if known is None:
            if len(self._known) >= _MOST_SHAPES:
                self._known.clear()
            entries = tuple(e for e in self.entries if (first or not e.attempts) and e.fits(call))
            known = self._known[shape] = _Fitting.of(entries)
        return known

    def metadata_for(self, fault: Fault, observation: Observation) -> Mapping[str, Metadata]:
        """Return what a file says besides about a fault at a call, for the original's clients.

        `sleep` is in seconds, `abort` false if the call shall be made before it fails. Of several
        entries with this fault, the first that fits counts.
        """
        for entry in self.entries:
            if entry.fault == fault and entry.fits(observation):
                return entry.metadata_for(observation) or {}
        return {}


_HTTP: Final = re.compile(r"(requests|aiohttp|httpx2?|urllib3|http\.client)\.")
_BROKERS: Final = re.compile(r"(celery|pika|redis|aiokafka)\.")
_GRPC: Final = re.compile(r"grpc\.")

HTTP_ENTRIES: Final = (
    Entry(_HTTP, Fault(FaultKind.REFUSED)),
    Entry(_HTTP, Fault(FaultKind.TIMEOUT), TIMEOUT_SET),
    *(Entry(_HTTP, Fault(FaultKind.STATUS, status=code)) for code in (500, 502, 503)),
)
"""What an HTTP client can meet: no connection, no answer in time, a server's usual errors."""

_CODES: Final = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "NOT_FOUND", "INTERNAL")

DEFAULT: Final = Catalogue(
    (
        *HTTP_ENTRIES,
        *(Entry(_GRPC, Fault(FaultKind.STATUS, status=GRPC_CODES.index(code))) for code in _CODES),
        Entry(_BROKERS, Fault(FaultKind.REFUSED)),
    )
)
"""What is tried where no file says otherwise: `HTTP_ENTRIES`, gRPC's usual errors, brokers gone.

Any broker may be out of a publisher's reach. Else nothing befalls messages: a queue in a process
loses none and hands none over twice, and what a broker may do depends on which it is, and on how it
is used.
"""
