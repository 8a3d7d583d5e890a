"""Zipkin's tracer for JavaScript, of one version, where npm put it."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.tracing.zipkin_server import cache

_PACKAGE: Final = "zipkin@0.22.0"


def modules() -> Path:
    """Return the directory where node finds the package; fetched once into the user's cache.

    Skips the test without node or npm, and if npm can't fetch it.
    """
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"the JavaScript tracer needs {program}, which is not installed")
    home = cache() / _PACKAGE.replace("@", "-")
    with (cache() / "npm.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "complete").exists():
            home.mkdir(exist_ok=True)
            quiet = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
            command = ["npm", "install", "--prefix", str(home), *quiet, _PACKAGE]
            done = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"npm can't fetch {_PACKAGE}: {done.stdout}{done.stderr}")
            (home / "complete").touch()
    return home / "node_modules"
