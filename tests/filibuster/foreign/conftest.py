"""Mixtures of foreign services and ours, started once, and explored in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

from metaapps.filibuster import services
from metaapps.filibuster.cli.functional import functional_test
from metaapps.filibuster.cli.runner import Runner, Terms
from metaapps.filibuster.cli.session import Session
from metaapps.filibuster.cli.standing import Standing
from metaapps.filibuster.coordinator import Coordinator
from metaapps.filibuster.explore import Event, Limits, Pruned, Ran, explore
from metaapps.filibuster.foreign.catalogue import FOREIGN_DEFAULT
from metaapps.filibuster.foreign.server import ForeignServer
from metaapps.filibuster.observation import Execution
from metaapps.filibuster.plan import Plan
from metaapps.filibuster.reduce import NoReduction, Predictor

SERVICES = Path(__file__).parent / "services"


@dataclass
class Explored:
    """What came of an exploration."""

    events: list[Event]

    @cached_property
    def plans(self) -> list[str]:
        """The plans that were judged, in words."""
        judged = [event for event in self.events if isinstance(event, Ran | Pruned)]
        found = [event.execution.plan if isinstance(event, Ran) else event.plan for event in judged]
        return [" + ".join(planned.label for planned in plan.faults) for plan in found]

    @property
    def ran(self) -> list[Ran]:
        return [event for event in self.events if isinstance(event, Ran)]

    @property
    def pruned(self) -> list[str]:
        found = [event.plan for event in self.events if isinstance(event, Pruned)]
        return [" + ".join(planned.label for planned in plan.faults) for plan in found]

    @property
    def failed(self) -> list[str]:
        failing = [event.execution for event in self.ran if not event.execution.passed]
        return [execution.plan.faults[0].label for execution in failing]

    @property
    def findings(self) -> list[str]:
        return [str(finding) for event in self.ran for finding in event.findings]


@dataclass(frozen=True)
class Mixture:
    """Services that run, some of them foreign."""

    server: ForeignServer
    coordinator: Coordinator
    running: services.Running

    @contextmanager
    def session(self, test: str) -> Iterator[Session]:
        standing = Standing(self.running.environment, self.running.key)
        with functional_test(test) as found:
            runner = Runner(found, standing, self.coordinator, Terms(30.0), foreign=self.server)
            yield Session(runner, None)

    def run(self, test: str, plan: Plan) -> Execution:
        with self.session(test) as session:
            return session.run(plan)

    def explore(self, test: str, *, reduce: bool = True, max_faults: int | None = None) -> Explored:
        reducer = Predictor() if reduce else NoReduction()
        limits = Limits(max_faults=max_faults)
        with self.session(test) as session:
            return Explored(list(explore(session.run, FOREIGN_DEFAULT, reducer, limits)))


Mixtures = Callable[..., Mixture]


@pytest.fixture(scope="module")
def mixtures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mixtures]:
    """Start the services of a file, once."""
    known: dict[tuple[str, ...], Mixture] = {}
    with ExitStack() as stack:

        def start(name: str, **env: str) -> Mixture:
            key = (name, *env)
            if key not in known:
                server = stack.enter_context(ForeignServer(port=0))
                coordinator = stack.enter_context(Coordinator(b"the key"))
                loaded = services.load(SERVICES / name).with_env(
                    {"FILIBUSTER_URL": server.url, **env}
                )
                logs = tmp_path_factory.mktemp("logs")
                running = stack.enter_context(services.start(loaded, "the key", logs))
                known[key] = Mixture(server, coordinator, running)
            return known[key]

        yield start
