"""Where each test has a machine of its own to be examined."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.brokers import amqp_url
from tests.doctor.patients import Site

__all__ = ["amqp_url", "site"]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Give a place with nothing in it."""
    packages, here = tmp_path / "packages", tmp_path / "here"
    packages.mkdir()
    here.mkdir()
    return Site(packages, here)
