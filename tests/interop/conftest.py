"""Where the chains of all tests end."""

from collections.abc import Iterator

import pytest

from tests.interop.running import End, ending


@pytest.fixture(scope="module")
def end() -> Iterator[End]:
    with ending() as end:
        yield end
