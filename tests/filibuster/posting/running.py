"""Runs requests whose work goes by a broker, and tells what came of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from metaapps.filibuster.catalogue import parse_rule
from metaapps.filibuster.cli.functional import Verdict
from metaapps.filibuster.cli.runner import Runner, Terms
from metaapps.filibuster.cli.standing import Standing
from metaapps.filibuster.coordinator import Coordinator
from metaapps.filibuster.deliveries import is_delivery
from metaapps.filibuster.observation import Execution, Observation, Role
from metaapps.filibuster.plan import FAULT_FREE, Plan
from metaapps.filibuster.single import settle
from metaapps.filibuster.tree import build
from tests.filibuster.shell import wait_until

SERVICES = Path(__file__).parent / "services.toml"
ENDLESS = ("publish/endless", "publish/nobody", "publish/poison")
"""What is waited for in vain after them; after others, for as long as it takes."""


@dataclass(frozen=True)
class Came:
    """What came of one request: the status that its caller saw, and the run."""

    status: int
    execution: Execution

    @property
    def calls(self) -> list[Observation]:
        """The calls between the services, as they began."""
        return [one for one in build(self.execution.observations).calls if not one.by_test]

    @property
    def messages(self) -> list[Observation]:
        return [
            one for one in self.execution.observations if one.role is Role.BRANCH and one.method
        ]

    @property
    def deliveries(self) -> list[tuple[str, int]]:
        """Who took a message, and which time, in order."""
        tree = build(self.execution.observations)
        return [(one.operation, one.occurrence) for one in tree.preorder if is_delivery(one)]


@dataclass
class _Asking:
    path: str
    status: int = 0

    def run(self, header: str, environment: Mapping[str, str], timeout: float) -> Verdict:
        charged = f"{environment['BANK_URL']}/log"
        asked = Request(f"{environment['SHOP_URL']}/{self.path}", headers={"baggage": header})
        _read(charged)  # what others had charged
        try:
            with urlopen(asked, timeout=timeout) as answer:
                self.status = answer.status
                answer.read()
        except HTTPError as error:
            self.status = error.code
        if self.path == "publish/endless":
            wait_until(lambda: "book" in _read(charged))  # for it is not waited for afterwards
        return Verdict()


def _read(url: str) -> str:
    with urlopen(url, timeout=300) as answer:
        return str(answer.read())


@dataclass(frozen=True)
class Post:
    """The services, and where they are."""

    environment: Mapping[str, str]

    def runs(self, path: str, *rules: str) -> list[Came]:
        """Return what comes of a request without faults, and then under them."""
        return [*self._runs(path, rules)]

    def under(self, path: str, *rules: str) -> Came:
        """Return what comes of a request under faults by hand."""
        *_, last = self._runs(path, rules)
        return last

    def _runs(self, path: str, rules: Sequence[str]) -> Iterator[Came]:
        asking = _Asking(path)
        standing = Standing(self.environment, self.environment["FILIBUSTER_KEY"])
        with Coordinator(standing.key.encode()) as coordinator:
            patience = 2.0 if path in ENDLESS else 300.0 if "news" in path else 60.0
            runner = Runner(asking, standing, coordinator, Terms(300.0, settle=patience))

            def run(plan: Plan) -> Execution:
                return runner.execute(plan)

            if not rules:
                yield Came(asking.status, run(FAULT_FREE))
                return
            for execution in settle(run, [parse_rule(rule) for rule in rules]):
                yield Came(asking.status, execution)
