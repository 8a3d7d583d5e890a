"""Every command that pyproject.toml declares explains itself."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.architecture import tree

SCRIPTS = tree.pyproject()["project"]["scripts"]


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_shows_an_example(script: str) -> None:
    module, _, function = SCRIPTS[script].partition(":")
    start = f"import sys; from {module} import {function}; sys.argv[0] = {script!r}; {function}()"
    ran = subprocess.run(
        [sys.executable, "-c", start, "--help"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tree.ROOT,
    )
    assert ran.returncode == 0, ran.stderr
    assert f"Usage: {script}" in ran.stdout
    assert "example" in ran.stdout.lower()
