"""The waist: where instrumentations and meta-applications meet. Who audits it is in `audit`."""

from baggage.boundary.adapter import Adapter, CannotEnact, Carrier
from baggage.boundary.arrival import Arrival
from baggage.boundary.batch import batch
from baggage.boundary.blank import Blank, Share
from baggage.boundary.bottom import run_work
from baggage.boundary.call import UNKNOWN_SITE, Call, CallSite, Endpoint, Kind, Tellers
from baggage.boundary.consuming import conclude, finish
from baggage.boundary.crossing import Crossing, deliver
from baggage.boundary.deferral import Deferral, Deferred
from baggage.boundary.delivery import Delivery, Requeued, Unsettled, delivery_of, remember
from baggage.boundary.departure import Departure
from baggage.boundary.dispatch import Dispatch, Errand, Report, Visit
from baggage.boundary.driver import Boundary
from baggage.boundary.fork import Fork
from baggage.boundary.homing import collect
from baggage.boundary.letter import Letter
from baggage.boundary.message import Message
from baggage.boundary.metaapp import (
    PROCEED,
    AheadSink,
    Answer,
    Condenser,
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
    Receipt,
    Returned,
    exception_name,
)
from baggage.boundary.policy import Policy
from baggage.boundary.publication import Note, Publication
from baggage.boundary.transport import read_header, write_header

__all__ = [
    "NO_FACTS",
    "PROCEED",
    "UNKNOWN_SITE",
    "Adapter",
    "AheadSink",
    "Answer",
    "Arrival",
    "Blank",
    "Boundary",
    "Call",
    "CallSite",
    "CannotEnact",
    "Carrier",
    "Condenser",
    "Crossing",
    "Deferral",
    "Deferred",
    "Delivery",
    "Departure",
    "Directive",
    "Dispatch",
    "Endpoint",
    "Errand",
    "Facts",
    "Fault",
    "FaultKind",
    "Flow",
    "Fork",
    "Inject",
    "Interest",
    "Kind",
    "Letter",
    "Message",
    "MetaApp",
    "Note",
    "Outcome",
    "OverflowSink",
    "PlainFacts",
    "Policy",
    "Proceed",
    "Publication",
    "Raised",
    "Receipt",
    "Report",
    "Requeued",
    "Returned",
    "Share",
    "Tellers",
    "Unsettled",
    "Visit",
    "batch",
    "collect",
    "conclude",
    "deliver",
    "delivery_of",
    "exception_name",
    "finish",
    "read_header",
    "remember",
    "run_work",
    "write_header",
]
