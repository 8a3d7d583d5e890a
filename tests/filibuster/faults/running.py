"""Runs requests to the services of `app` under faults, and tells what came of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from metaapps.filibuster.catalogue import parse_rule
from metaapps.filibuster.cli.functional import Verdict
from metaapps.filibuster.cli.runner import Runner, Terms
from metaapps.filibuster.cli.standing import Standing
from metaapps.filibuster.coordinator import Coordinator
from metaapps.filibuster.observation import Execution, Observation, Role
from metaapps.filibuster.plan import Plan
from metaapps.filibuster.single import settle, unhit
from metaapps.filibuster.tree import build

SERVICES = Path(__file__).parent / "services.toml"
ITEM = {"user": {"name": "Ann", "age": 7}, "tags": ["a", "b"]}
"""What the last service answers."""


@dataclass(frozen=True)
class Came:
    """What came of one request: what its caller saw, what the last service served, and the run."""

    said: Any
    served: Sequence[str]
    execution: Execution

    @property
    def calls(self) -> list[Observation]:
        """The calls between the services, as they began."""
        return [
            seen
            for seen in self.execution.observations
            if seen.role is Role.CALL and not seen.by_test
        ]


@dataclass
class _Asking:
    """A functional test in this process: one request, by a client that nobody instruments."""

    path: str
    said: Any = None

    def run(self, header: str, environment: Mapping[str, str], timeout: float) -> Verdict:
        url = f"{environment['FRONT_URL']}{self.path}"
        asked = Request(url, headers={"baggage": header})
        with urlopen(asked, timeout=timeout) as answer:
            self.said = json.load(answer)
        return Verdict()


@dataclass
class Lab:
    """The services, and where they are."""

    environment: Mapping[str, str]
    query: str = field(init=False)

    def __post_init__(self) -> None:
        ports = {
            f"{service}-{library}": port
            for service in ("mid", "back")
            for library, port in self.log(service)["ports"].items()
        }
        self.query = "&".join(f"{name}=127.0.0.1:{port}" for name, port in ports.items())

    def log(self, service: str = "back") -> Any:
        with urlopen(f"{self.environment[f'{service.upper()}_URL']}/log") as answer:
            return json.load(answer)

    def under(self, *rules: str, path: str, real_latency: bool = False) -> Came:
        """Return what comes of a request under faults by hand, all of which were hit."""
        *_, last = self.runs(*rules, path=path, real_latency=real_latency)
        assert not unhit(last.execution, build(last.execution.observations)), last
        return last

    def runs(self, *rules: str, path: str, real_latency: bool = False) -> Iterator[Came]:
        """Yield what comes of a request without faults, and then under them."""
        asking = _Asking(f"{path}?{self.query}")
        standing = Standing(self.environment, self.environment["FILIBUSTER_KEY"])
        with Coordinator(standing.key.encode()) as coordinator:
            terms = Terms(20.0, real_latency=real_latency)
            runner = Runner(asking, standing, coordinator, terms)

            def run(plan: Plan) -> Execution:
                self.log()
                return runner.execute(plan)

            for execution in settle(run, [parse_rule(rule) for rule in rules]):
                yield Came(asking.said, self.log()["served"], execution)
