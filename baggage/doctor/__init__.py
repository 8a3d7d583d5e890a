"""Says what is found, supported, registered and active here, and whether it works."""

from baggage.doctor.probes.probe import NotTried, Peers, Probe, behind
from baggage.doctor.report import Report, examine
from baggage.doctor.trial import Result, Trial
from baggage.doctor.trying import LIMIT

__all__ = [
    "LIMIT",
    "NotTried",
    "Peers",
    "Probe",
    "Report",
    "Result",
    "Trial",
    "behind",
    "examine",
]
