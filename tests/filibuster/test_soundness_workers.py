"""Any number of executions run at once on one deployment, and none sees anything of another."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import pytest

from metaapps.filibuster.coordinator import Coordinator
from metaapps.filibuster.explore import Done, Event, Limits, explore
from metaapps.filibuster.observation import Execution
from metaapps.filibuster.reduce import Predictor
from metaapps.filibuster.workers import Pool
from tests.filibuster.apps import Network, coordinated, generated

MOST = 20
SEEDS = range(40, 56)


@pytest.fixture(scope="module")
def coordinator() -> Iterator[Coordinator]:
    with coordinated() as running:
        yield running


def read(execution: Execution) -> Execution:
    """Leave out in which order what was seen came home."""
    return replace(execution, observations=tuple(sorted(execution.observations, key=str)))


def committed(network: Network, workers: int) -> list[Event]:
    """Return the events of a search, at so many workers."""
    catalogue, limits = network.application.catalogue, Limits(max_executions=MOST)
    with closing(Pool(network.run, workers)) as pool:
        events = [*explore(pool.run, catalogue, Predictor(), limits, pool.look_ahead)]
    return [
        event if isinstance(event, Done) else replace(event, execution=read(event.execution))
        for event in events
    ]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_executions_are_committed_by_any_number_of_workers(
    coordinator: Coordinator, seed: int
) -> None:
    application = generated(seed)
    alone = committed(Network(application, coordinator), 1)
    for workers in (4, 16):
        # On a deployment of their own, and so without what others taught it.
        assert committed(Network(application, coordinator), workers) == alone


def test_a_deployment_that_all_share_gives_the_same_as_one_of_ones_own(
    coordinator: Coordinator,
) -> None:
    networks = [Network(generated(seed), coordinator) for seed in SEEDS[:8]]
    alone = [committed(network, 1) for network in networks]
    with ThreadPoolExecutor(len(networks)) as pool:
        assert [*pool.map(lambda network: committed(network, 4), networks)] == alone
