"""CI forbids skips: what could not be tried there counts as failed, unless the test says why."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture import tree

SKIPS = """
import pytest
def test_lacks_a_server(): pytest.skip("no redis")
@pytest.mark.may_skip("only macOS has it")
def test_lacks_an_operating_system(): pytest.skip("this is Linux")
@pytest.mark.xfail
def test_is_known_to_fail(): assert False
"""
WHOLE_MODULE = 'import pytest\npytest.importorskip("no_such_library")\n'


def test_a_skip_is_a_skip_outside_ci(tmp_path: Path) -> None:
    passed, report = report_of(SKIPS, tmp_path, ci="")
    assert passed
    assert "2 skipped, 1 xfailed" in report


def test_a_skip_fails_in_ci_unless_the_test_says_why_it_may_be(tmp_path: Path) -> None:
    passed, report = report_of(SKIPS, tmp_path, ci="true")
    assert not passed
    assert "skipped, and CI forbids skips: Skipped: no redis" in report
    assert "1 failed, 1 skipped, 1 xfailed" in report


@pytest.mark.parametrize(("ci", "passes"), [("", True), ("true", False)])
def test_the_skip_of_a_module_fails_in_ci(tmp_path: Path, ci: str, passes: bool) -> None:
    trivial = "def test_something_else(): pass\n"
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_more.py").write_text(trivial)
    passed, report = report_of(WHOLE_MODULE, tmp_path, ci)
    assert passed is passes
    assert "no_such_library" in report


def report_of(source: str, root: Path, ci: str) -> tuple[bool, str]:
    """Run a test module under this suite's conftest and settings; return whether it passed."""
    (root / "tests").mkdir(exist_ok=True)
    (root / "tests" / "test_it.py").write_text(source)
    shutil.copy(tree.ROOT / "tests" / "conftest.py", root / "tests")
    shutil.copy(tree.ROOT / "pyproject.toml", root)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"],
        cwd=root,
        env=dict(os.environ, CI=ci),
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.returncode == 0, ran.stdout
