"""The waist: where instrumentations and meta-applications meet."""

from baggage.boundary.adapter import Adapter, CannotEnact, Carrier
from baggage.boundary.call import UNKNOWN_SITE, Call, CallSite, Endpoint, Kind
from baggage.boundary.metaapp import (
    PROCEED,
    Answer,
    Directive,
    Flow,
    Inject,
    Interest,
    MetaApp,
    OverflowSink,
    Proceed,
)
from baggage.boundary.outcome import (
    NO_FACTS,
    Facts,
    Fault,
    FaultKind,
    Outcome,
    PlainFacts,
    Raised,
    Returned,
    exception_name,
)

__all__ = [
    "NO_FACTS",
    "PROCEED",
    "UNKNOWN_SITE",
    "Adapter",
    "Answer",
    "Call",
    "CallSite",
    "CannotEnact",
    "Carrier",
    "Directive",
    "Endpoint",
    "Facts",
    "Fault",
    "FaultKind",
    "Flow",
    "Inject",
    "Interest",
    "Kind",
    "MetaApp",
    "Outcome",
    "OverflowSink",
    "PlainFacts",
    "Proceed",
    "Raised",
    "Returned",
    "exception_name",
]
