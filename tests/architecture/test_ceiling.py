"""`make ceiling` takes the newest Python that is promised, and is newer than the one of `make`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture import tree


def ceiling(pyenv: Path, *others: str) -> str:
    """Return what `make ceiling` would do where pyenv keeps these versions, and PATH has none."""
    asked = [f"PYTHON={sys.executable}", f"PYENV_ROOT={pyenv}", "CANDIDATES=python3.98 python3.97"]
    ran = subprocess.run(
        ["make", "--dry-run", "ceiling", *asked, *others],
        cwd=tree.ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout


def kept(pyenv: Path, version: str, python: str = "#!/bin/sh\nexit 0\n") -> Path:
    """Keep a version at pyenv's, which says of itself that it's new enough."""
    path = pyenv / "versions" / version / "bin" / "python"
    path.parent.mkdir(parents=True)
    path.write_text(python)
    path.chmod(0o755)
    return path


def test_the_newest_is_taken(tmp_path: Path) -> None:
    kept(tmp_path, "3.97.4")
    newest = kept(tmp_path, "3.98.0")
    kept(tmp_path, "3.99.0")  # not promised
    kept(tmp_path, "3.98.0t")  # without the lock
    assert f'VENV=.venv-ceiling PYTHON="{newest}" ceiling-tests' in ceiling(tmp_path)


def test_one_that_does_not_run_is_passed_over(tmp_path: Path) -> None:
    kept(tmp_path, "3.98.0", "#!/bin/sh\nexit 127\n")
    older = kept(tmp_path, "3.97.0")
    assert f'PYTHON="{older}"' in ceiling(tmp_path)


@pytest.mark.parametrize("same", [False, True])
def test_where_none_is_newer_it_says_so(tmp_path: Path, same: bool) -> None:
    if same:
        kept(tmp_path, "3.98.0", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    version = ".".join(map(str, sys.version_info[:2]))
    said = ceiling(tmp_path)
    assert f"no Python on this machine is newer than {sys.executable}, which is {version}" in said
    assert ".venv-ceiling" not in said


def test_every_python_that_is_promised_is_a_candidate() -> None:
    found = re.search(r"^CANDIDATES := (.*)$", (tree.ROOT / "Makefile").read_text(), re.MULTILINE)
    assert found is not None
    name = "Programming Language :: Python :: 3."
    promised = [it for it in tree.pyproject()["project"]["classifiers"] if it.startswith(name)]
    assert [f"python3.{it.removeprefix(name)}" for it in reversed(promised)] == [
        it for it in found[1].split() if it != "python3"
    ]
