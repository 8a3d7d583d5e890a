"""Tests that fork, or that patch a whole process, run each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

APART = Path(__file__).parent / "apart"
PYTEST = "import sys, pytest; sys.exit(pytest.main(sys.argv[1:]))"
PATCHED_BY = {
    "processes": "",
    "process_pools": "",
    "forks": "",
    "process_queues": "",
    "task_pools": "",
    "gevent_greenlets": "from gevent import monkey; monkey.patch_all()",
    # It warns on import that it's deprecated. Plugins of pytest look for trio, which can't be
    # imported once sockets are patched.
    "eventlet_greenlets": (
        "import warnings; warnings.simplefilter('ignore'); import contextlib\n"
        "with contextlib.suppress(ImportError): import trio\n"
        "import eventlet; eventlet.monkey_patch()"
    ),
}


@pytest.mark.parametrize("suite", PATCHED_BY)
def test_apart(suite: str) -> None:
    options = ["-q", "-p", "no:xdist", "-p", "no:cacheprovider", str(APART / f"{suite}.py")]
    ran = subprocess.run(
        [sys.executable, "-c", f"{PATCHED_BY[suite]}\n{PYTEST}", *options],
        cwd=APART.parents[2],
        env={name: it for name, it in os.environ.items() if not name.startswith("PYTEST_")},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
