"""Zipkin's tracer for JavaScript, of one version, where npm put it."""

from __future__ import annotations

from pathlib import Path

from tests import npm


def modules() -> Path:
    """Return the directory where node finds the package; see `npm.modules`."""
    return npm.modules("zipkin@0.22.0")
