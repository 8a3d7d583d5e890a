"""Services that really run, started once for all tests of a worker, and a place for commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from metaapps.filibuster import services
from tests.brokers import amqp_url, redis_url
from tests.filibuster.shell import Shell, kill_all

__all__ = ["amqp_url", "redis_url"]

Deployed = Callable[[Path], Mapping[str, str]]


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """Start the services of a file, once; return the environment that finds and unlocks them."""
    running: dict[Path, Mapping[str, str]] = {}
    with ExitStack() as stack:

        def start(file: Path) -> Mapping[str, str]:
            if file not in running:
                key = f"the key of {file.parent.name}"
                logs = tmp_path_factory.mktemp("logs")
                started = stack.enter_context(services.start(services.load(file), key, logs))
                running[file] = {**started.environment, "FILIBUSTER_KEY": key}
            return running[file]

        yield start


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """An empty directory to run commands in; no process outlives the test."""
    yield Shell(tmp_path)
    kill_all(tmp_path)


@pytest.fixture
def lab(shell: Shell, deployed: Deployed) -> Shell:
    """An empty directory, and the services of `lab` within reach."""
    return Shell(shell.directory, deployed(Path(__file__).parent / "lab" / "services.toml"))
