"""Exploration: which plans there are, in which order they are judged, and when to stop."""

from metaapps.filibuster.explore.events import (
    NO_LIMITS,
    Done,
    Event,
    Limits,
    Pruned,
    Ran,
    StopReason,
)
from metaapps.filibuster.explore.search import LookAhead, Run, explore, planned_fault

__all__ = [
    "NO_LIMITS",
    "Done",
    "Event",
    "Limits",
    "LookAhead",
    "Pruned",
    "Ran",
    "Run",
    "StopReason",
    "explore",
    "planned_fault",
]
