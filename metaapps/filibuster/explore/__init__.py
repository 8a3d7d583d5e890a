"""Exploration: which plans there are, in which order they are judged, and when to stop."""

from metaapps.filibuster.explore.completeness import Fate, amiss, completeness
from metaapps.filibuster.explore.events import (
    DEFAULT_LIMITS,
    NO_LIMITS,
    Done,
    Event,
    Limits,
    Pruned,
    Ran,
    StopReason,
)
from metaapps.filibuster.explore.frontier import (
    CanonicalFrontier,
    DepthFirstFrontier,
    Frontier,
    Order,
    RandomFrontier,
)
from metaapps.filibuster.explore.options import Search, SearchError, search_for
from metaapps.filibuster.explore.search import Clock, LookAhead, Run, explore
from metaapps.filibuster.explore.steps import planned_fault, planned_trial

__all__ = [
    "DEFAULT_LIMITS",
    "NO_LIMITS",
    "CanonicalFrontier",
    "Clock",
    "DepthFirstFrontier",
    "Done",
    "Event",
    "Fate",
    "Frontier",
    "Limits",
    "LookAhead",
    "Order",
    "Pruned",
    "Ran",
    "RandomFrontier",
    "Run",
    "Search",
    "SearchError",
    "StopReason",
    "amiss",
    "completeness",
    "explore",
    "planned_fault",
    "planned_trial",
    "search_for",
]
