"""Services as real processes, for as long as a block needs them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
SHOP, CAFE, CLIENTS = HERE / "shop.py", HERE / "cafe.py", HERE / "clients.py"
LEDGER = HERE / "ledger.py"
HALL, MIDDLE, PLAIN = HERE / "hall.py", HERE / "middle.py", HERE / "plain.py"


def environment(*, audit: bool, lend: bool = False) -> dict[str, str]:
    """Return the environment of a service, with nothing of what this process was told."""
    told = ("BAGGAGE", "FILIBUSTER", "TRACING", "PYTEST")
    kept = {name: it for name, it in os.environ.items() if not name.startswith(told)}
    kept |= {"BAGGAGE_METAAPPS": "", "PYTHONPATH": str(HERE.parents[1])}
    kept |= {"BAGGAGE_AUDIT": "1"} if audit else {}
    return {**kept, "BAGGAGE_LEND": "*"} if lend else kept


@contextmanager
def living(script: Path, *told: str, audit: bool = True, lend: bool = False) -> Iterator[str]:
    """Run a service's script; yield its address."""
    command = [sys.executable, str(script), *told]
    with subprocess.Popen(
        command,
        env=environment(audit=audit, lend=lend),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
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
