"""Benchmarks of the core, and of brokers, run; what they find has its place in the document."""

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


def test_each_benchmark_of_brokers_runs(redis_url: str, amqp_url: str, kafka_servers: str) -> None:
    servers = {"celery": redis_url, "redis": redis_url, "pika": amqp_url, "aiokafka": kafka_servers}
    ran = printed(f"""
import os
from benchmarks import brokers
from benchmarks.measure import Prepared
for pair in brokers.PAIRS:
    at = {servers}[pair.name.partition("-")[0]]
    run = pair.variants["filibuster idle, every call sampled"](at)
    if isinstance(run, Prepared):
        run.ready(2)
    run(2)
    print(pair.name, flush=True)
os._exit(0)
""")
    assert len(ran) == 9


def test_the_table_of_brokers_is_in_the_document() -> None:
    document = (tree.ROOT / "docs/performance.md").read_text("utf-8")
    made = printed("""
from benchmarks import brokers
found = dict(zip(brokers.VARIANTS, map(float, range(8))))
print(brokers.table({pair.name: found for pair in brokers.PAIRS}))
""")
    rows = [line.partition(" | ")[0] for line in made if line.startswith("| ")]
    _, _, table = document.partition("<!-- table: brokers -->\n")
    assert [row for row in rows if row not in table] == []


def said_by(script: str) -> list[str]:
    """Return the lines that a script about the benchmarks of the core prints."""
    imports = "imports = [tables.importing(name) for name in importing.STATEMENTS]"
    given = "from benchmarks import importing, tables\nfrom benchmarks.core import benchmarks"
    return printed(f"{given}\n{imports}\n{script}")


def printed(script: str) -> list[str]:
    """Return the lines that a script prints."""
    ran = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        cwd=tree.ROOT,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()
