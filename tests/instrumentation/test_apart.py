"""Tests that fork, or that patch a whole process, run each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

APART = Path(__file__).parent / "apart"


@pytest.mark.parametrize("suite", ["process_pools"])
def test_apart(suite: str) -> None:
    environment = {name: it for name, it in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider"]
    ran = subprocess.run(
        [*command, str(APART / f"{suite}.py")],
        cwd=APART.parents[2],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
