"""Packages of npm, of one version each, where npm put them: fetched once into the user's cache."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.tracing.zipkin_server import cache


def modules(*packages: str) -> Path:
    """Return the directory where node finds these packages, each given as "name@version".

    Skips the test without node or npm, and if npm can't fetch them.
    """
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"{packages[0]} needs {program}, which is not installed")
    short = packages[0].replace("@", "-").replace("/", "-").strip("-")
    home = cache() / f"{short}-{hashlib.sha256(' '.join(packages).encode()).hexdigest()[:8]}"
    with (cache() / "npm.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "complete").exists():
            home.mkdir(exist_ok=True)
            quiet = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
            command = ["npm", "install", "--prefix", str(home), *quiet, *packages]
            done = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"npm can't fetch {packages}: {done.stdout}{done.stderr}")
            (home / "complete").touch()
    return home / "node_modules"
