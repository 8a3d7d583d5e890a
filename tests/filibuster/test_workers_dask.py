"""A Dask cluster runs functional tests as this machine does, even if workers of it die."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from metaapps.filibuster.cli.functional import FunctionalTestError
from tests.filibuster.conftest import Deployed
from tests.filibuster.placed import SERVICES, Place, place
from tests.filibuster.shell import ROOT, wait_until
from tests.filibuster.test_workers import KILLS, ONE

pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a scheduler and two workers; yield what names them for --executor."""
    directory = tmp_path_factory.mktemp("dask")
    file = directory / "scheduler.json"
    common = ("--scheduler-file", str(file), "--host", "127.0.0.1", "--no-dashboard")
    own = ("--local-directory", str(directory), "--nthreads", "2", "--nworkers", "1")
    with ExitStack() as stack:
        stack.enter_context(running(directory, "scheduler", *common, "--port", "0"))
        wait_until(lambda: file.exists() and address(file))
        for _ in range(2):
            stack.enter_context(running(directory, "worker", *common, *own))
        said = directory / "worker.log"
        wait_until(lambda: said.read_bytes().count(b"Registered to:") == 2)
        yield f"dask://{address(file)}"


@contextmanager
def running(directory: Path, *command: str) -> Iterator[None]:
    with (directory / f"{command[0]}.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *command],
            cwd=directory,
            stdout=log,
            stderr=log,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(300)


def address(file: Path) -> str:
    try:
        return str(json.loads(file.read_text())["address"]).removeprefix("tcp://")
    except ValueError:  # it is being written
        return ""


@pytest.fixture
def here(tmp_path: Path, deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> Place:
    return place(tmp_path, deployed(SERVICES), monkeypatch)


def test_a_cluster_commits_the_same_executions(here: Place, cluster: str) -> None:
    alone = here.search(ONE)
    spread = here.search(ONE, workers="4", executor=cluster)
    assert len(alone.committed) > 3
    assert spread.committed == alone.committed
    assert spread.said == ""


def test_a_worker_of_a_cluster_that_is_killed_loses_nothing(here: Place, cluster: str) -> None:
    alone = here.search(ONE)
    killed = here.search(f"{KILLS}\nkill(2, 'killed')\n{ONE}", workers="4", executor=cluster)
    assert (here.directory / "killed").exists()
    assert killed.committed == alone.committed
    assert "a worker ended before its work was done: what it did is done again" in killed.said


def test_a_test_that_workers_do_not_have_is_no_failing_test(here: Place, cluster: str) -> None:
    gone = f"if 'BAGGAGE' in os.environ: os.remove(__file__)\n{ONE}"
    searched = here.search(gone, workers="1", executor=cluster)
    assert isinstance(searched.error, FunctionalTestError)
    assert "tests must be found in the same place everywhere" in str(searched.error)
