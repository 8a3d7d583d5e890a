"""Both instrumentations work in one process, whoever came first, and whoever leaves first."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def check(script: str, **environment: str) -> None:
    told = {"BAGGAGE_METAAPPS": "", "PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("apart") / script)],
        env={**os.environ, **told},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "fine"), done.stderr
    assert "Traceback" not in done.stderr
    assert "baggage" not in done.stderr


@pytest.mark.parametrize("imports", ["early", "late"])
@pytest.mark.parametrize("order", ["ours", "theirs"])
def test_both_work_until_they_are_removed_in_whatever_order(order: str, imports: str) -> None:
    check("alongside.py", ORDER=order, IMPORTS=imports)


@pytest.mark.parametrize("order", ["ours", "theirs"])
def test_what_theirs_writes_below_our_call_stands_beside_ours(order: str) -> None:
    check("below.py", ORDER=order)
