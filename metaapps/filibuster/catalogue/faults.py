"""Faults and the calls that they fit; the built-in catalogue.

Reading a catalogue from a file is in `analysis_file`. Enacting a fault is up to each library's
adapter; choosing plans is `explore`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from baggage.boundary import Fault, FaultKind
from metaapps.filibuster.catalogue.expression import Expression, ExpressionError
from metaapps.filibuster.observation import Observation
from metaapps.filibuster.status import GRPC_CODES
from metaapps.filibuster.tree import Tree

TIMEOUT_SET: Final = "timeout"

Metadata = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One fault, and the calls that it fits.

    `calls` must match at the start of "library.method" as in "requests.get", `services` at the
    start of the target's name. `restriction` "timeout" fits only calls that set a timeout; any
    other restriction speaks of what our calls don't show, so that it fits none. The same holds for
    an expression in `metadata` that can't be told for a call.
    """

    calls: re.Pattern[str]
    fault: Fault
    restriction: str = ""
    services: re.Pattern[str] | None = None
    metadata: tuple[tuple[str, Metadata | Expression], ...] = ()

    def fits(self, observation: Observation) -> bool:
        """Whether the fault could happen at this call."""
        if self.restriction and not (
            self.restriction == TIMEOUT_SET and observation.timeout is not None
        ):
            return False
        if self.services is not None and not self.services.match(observation.target):
            return False
        if not any(self.calls.match(name) for name in _spellings(observation)):
            return False
        return self.metadata_for(observation) is not None

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
class Catalogue:
    """Faults to try, in the order in which they shall be tried: exceptions, then statuses."""

    entries: tuple[Entry, ...] = ()

    def faults_for(self, observation: Observation) -> tuple[Fault, ...]:
        """Return the faults that fit a call, each once, in the catalogue's order."""
        fitting = (entry.fault for entry in self.entries if entry.fits(observation))
        return tuple(dict.fromkeys(fitting))

    def trials_for(self, call: Observation, tree: Tree) -> tuple[Trial, ...]:
        """Return what to try at a call of an execution, each once, in the catalogue's order."""
        return tuple(Trial(fault) for fault in self.faults_for(call))

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
    )
)
"""What is tried where no file says otherwise: `HTTP_ENTRIES`, and gRPC's usual errors."""
