"""What tests of several parts of tracing share."""

from collections.abc import Iterator

import pytest

from baggage.context import enter
from tests.tracing.zipkin_server import zipkin

__all__ = ["zipkin"]


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """Leave no branch to the next test: what was packed by hand stays, where no scope ends."""
    yield
    enter(None)
