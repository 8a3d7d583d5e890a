"""Static analysis of services: which errors they can answer, and which their callers can meet."""

from metaapps.filibuster.analyze.answers import Answers
from metaapps.filibuster.analyze.document import (
    UNHANDLED_CODE,
    UNHANDLED_STATUS,
    Found,
    analyze,
    document,
    write,
)
from metaapps.filibuster.analyze.program import Note
from metaapps.filibuster.analyze.sources import AnalyzeError, Service
from metaapps.filibuster.analyze.values import Site

__all__ = [
    "UNHANDLED_CODE",
    "UNHANDLED_STATUS",
    "AnalyzeError",
    "Answers",
    "Found",
    "Note",
    "Service",
    "Site",
    "analyze",
    "document",
    "write",
]
