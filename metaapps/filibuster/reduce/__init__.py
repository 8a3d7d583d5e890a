"""Reduction: which plans need no run, since earlier executions predict them."""

from metaapps.filibuster.reduce.knowledge import Varying
from metaapps.filibuster.reduce.predict import NoReduction, Predictor, Reducer
from metaapps.filibuster.reduce.published import Published
from metaapps.filibuster.reduce.reading import Ignore, Reading
from metaapps.filibuster.reduce.strength import Strength, ignoring, reducer
from metaapps.filibuster.reduce.walk import Prediction

__all__ = [
    "Ignore",
    "NoReduction",
    "Prediction",
    "Predictor",
    "Published",
    "Reading",
    "Reducer",
    "Strength",
    "Varying",
    "ignoring",
    "reducer",
]
