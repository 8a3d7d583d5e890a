"""Reduction: which plans need no run, since earlier executions predict them."""

from metaapps.filibuster.reduce.predict import NoReduction, Prediction, Predictor, Reducer

__all__ = ["NoReduction", "Prediction", "Predictor", "Reducer"]
