"""Services as real processes, for as long as a block needs them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
SHOP, CAFE, MIDDLE = HERE / "shop.py", HERE / "cafe.py", HERE / "middle.py"


@contextmanager
def living(script: Path, *told: str, audit: bool = True) -> Iterator[str]:
    """Run a service's script; yield its address."""
    names = ("BAGGAGE", "FILIBUSTER", "TRACING", "PYTEST")
    environment = {name: it for name, it in os.environ.items() if not name.startswith(names)}
    environment |= {"BAGGAGE_METAAPPS": "", "PYTHONPATH": str(HERE.parents[1])}
    if audit:
        environment["BAGGAGE_AUDIT"] = "1"
    command = [sys.executable, str(script), *told]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/"
        finally:
            process.kill()


def line_of(script: Path, mark: str) -> int:
    """Return the number of the line that ends in a comment."""
    lines = script.read_text("utf-8").splitlines()
    [found] = [at for at, line in enumerate(lines, 1) if line.endswith(f"  # {mark}")]
    return found
