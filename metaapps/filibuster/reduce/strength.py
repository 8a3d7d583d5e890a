"""The strengths of reduction, by the names that people give them."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from metaapps.filibuster.catalogue.calls import parse_calls
from metaapps.filibuster.observation import Observation
from metaapps.filibuster.reduce.predict import NoReduction, Predictor, Reducer
from metaapps.filibuster.reduce.published import Published
from metaapps.filibuster.reduce.reading import Ignore, Reading, nothing


class Strength(Enum):
    """What a plan is pruned for."""

    NONE = "none"
    """For nothing: every plan runs."""
    STRICT = "strict"
    """For being predicted, where errors with different bodies are different answers."""
    DYNAMIC = "dynamic"
    """For being predicted, where errors count by exception or status alone."""
    PAPER = "paper"
    """For the published criterion, which misses some failures; in an order of its own."""


def reducer(strength: Strength, ignore: Ignore = nothing) -> Reducer:
    """Return a reducer that knows nothing yet. Only prediction has answers to ignore."""
    if strength is Strength.NONE:
        return NoReduction()
    if strength is Strength.PAPER:
        return Published()
    return Predictor(Reading(strength is Strength.STRICT, ignore))


def ignoring(patterns: Iterable[str]) -> Ignore:
    """Return what says of which calls the answers are ignored, by `foo→clock GET /now`.

    `->` will do for the arrow, `*` stands for any text, and without an operation any is meant.
    Raises `catalogue.calls.RuleError`, a ValueError of one line.
    """
    wanted = tuple(parse_calls(pattern) for pattern in patterns)
    if not wanted:
        return nothing

    def matched(call: Observation) -> bool:
        return any(calls.match(call) for calls in wanted)

    return matched
