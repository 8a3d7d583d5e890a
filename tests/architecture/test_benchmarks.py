"""The benchmarks of the core run, and have their place in the document about performance."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.architecture import tree

pytest.importorskip("pyperf", reason="benchmarks are for developers: see the extra `bench`")


def test_each_benchmark_of_the_core_runs() -> None:
    names = said_by("for name, make in benchmarks().items():\n    make()(1)\n    print(name)")
    assert len(names) > 50


def test_each_table_of_the_core_is_in_the_document() -> None:
    names = said_by("print(*tables.all_of(dict.fromkeys([*benchmarks(), *imports], 1.0)))")[0]
    document = (tree.ROOT / "docs/performance.md").read_text("utf-8")
    assert [n for n in names.split() if document.count(f"<!-- table: {n} -->\n") != 1] == []


def said_by(script: str) -> list[str]:
    """Return the lines that a script about the benchmarks prints."""
    imports = "imports = [tables.importing(name) for name in importing.STATEMENTS]"
    given = "from benchmarks import importing, tables\nfrom benchmarks.core import benchmarks"
    ran = subprocess.run(
        [sys.executable, "-c", f"{given}\n{imports}\n{script}"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tree.ROOT,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()
