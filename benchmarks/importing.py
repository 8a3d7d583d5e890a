"""How long a program waits for an import: CPU time of an interpreter that does nothing else."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from typing import Final

STATEMENTS: Final = {
    "bare": "pass",
    "baggage": "import baggage",
    "OpenTelemetry": "import opentelemetry.baggage, opentelemetry.baggage.propagation",
}


def interpreters_time(statement: str, times: int) -> float:
    """Return the seconds that so many interpreters take, one after the other, bytecode cached."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}

    def once() -> None:
        subprocess.run([sys.executable, "-c", statement], check=True, env=environment)

    once()  # Writes the bytecode.
    before = _children()
    for _ in range(times):
        once()
    return _children() - before


def _children() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime
