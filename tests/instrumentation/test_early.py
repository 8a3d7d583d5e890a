"""What is instrumented before it is imported is met while its package is half imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

# What is imported already is forgotten first: wrapt itself imports asyncio, in some versions.
SCRIPT = """
import sys, wrapt, baggage
from baggage.runtime import PROCESS
for name in [name for name in sys.modules if name.partition(".")[0] == {package!r}]:
    del sys.modules[name]
baggage.instrument()
__import__({library!r})
assert not PROCESS.broken, PROCESS.broken
"""


@pytest.mark.parametrize(
    "library", ["asyncio", "concurrent.futures.process", "http.client", "multiprocessing.pool"]
)
def test_a_package_may_be_instrumented_before_it_is_imported(library: str) -> None:
    script = SCRIPT.format(library=library, package=library.partition(".")[0])
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=300
    )
    assert ran.returncode == 0, ran.stderr
