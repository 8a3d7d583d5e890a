"""A self-test, and what came of it. It's run in a process of its own (`child`)."""

from __future__ import annotations

import traceback
import uuid
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib import import_module

from baggage.doctor.oneline import in_a_line
from baggage.doctor.probes.probe import NotTried, Peers, Probe, lost
from baggage.doctor.probes.table import PROBES
from baggage.runtime import PROCESS, discovery


class Result(StrEnum):
    """What came of a self-test."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_TRIED = "not tried"


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of one self-test: `reason` in one line, unless it passed, and more in `details`."""

    result: Result
    reason: str = ""
    details: str = ""

    def to_json(self) -> dict[str, str]:
        """Return all of it."""
        return asdict(self)


def probe_of(library: str) -> Probe | None:
    """Return a library's self-test: ours, or what another's instrumentation calls `PROBE`."""
    module = discovery.instrumentations()[library]
    ours = PROBES.get(library)
    if ours is not None and module.startswith("baggage.instrumentation."):
        return ours
    brought = getattr(import_module(module), "PROBE", None)
    return brought if isinstance(brought, Probe) else ours


def attempt(library: str, peers: Peers) -> Trial:
    """Try a library's boundary, here; whatever goes wrong is told."""
    try:
        probe = probe_of(library)
        if probe is None:
            PROCESS.instrument(library)
            import_module(library)  # which raises what patching it does
            return Trial(Result.NOT_TRIED, "its instrumentation brings no self-test")
        PROCESS.instrument(library, *probe.also)
        reason = lost(probe, peers, uuid.uuid4().hex)
    except NotTried as refusal:
        return Trial(Result.NOT_TRIED, str(refusal))
    except BaseException as error:  # noqa: BLE001 - it's what this process is for
        return Trial(Result.FAILED, in_a_line(error), traceback.format_exc())
    return Trial(Result.FAILED, reason) if reason else Trial(Result.PASSED)
