"""Predictions of faults under which the call is made: late ones, delays, edits, messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from urllib.request import Request, urlopen

import pytest

from metaapps.filibuster.catalogue import Catalogue, parse_rule
from metaapps.filibuster.catalogue.faults import Entry
from metaapps.filibuster.cli.functional import Verdict
from metaapps.filibuster.cli.runner import Runner, Terms
from metaapps.filibuster.cli.standing import Standing
from metaapps.filibuster.coordinator import Coordinator
from metaapps.filibuster.explore import Limits, explore
from metaapps.filibuster.finding import FindingKind
from metaapps.filibuster.observation import EVENTS, Execution, Observation
from metaapps.filibuster.plan import Plan
from metaapps.filibuster.reduce import NoReduction, Predictor
from tests.filibuster.conftest import Deployed
from tests.filibuster.faults.running import SERVICES, Lab
from tests.filibuster.searching import plans, ran

PAIRS = Limits(max_faults=2)


@pytest.fixture(scope="module")
def lab(deployed: Deployed) -> Lab:
    return Lab(deployed(SERVICES))


def shown(execution: Execution) -> Mapping[bytes, Observation]:
    """What an execution shows, as far as predictions tell it: no clocks, no texts for people."""
    return {
        seen.index: replace(
            seen,
            clock={},
            origin={},
            arguments="",
            target="",
            digest=seen.digest if seen.ok else None,
        )
        for seen in execution.observations
        if seen.role in EVENTS
    }


class Asking:
    """A functional test in this process, by a client that nobody instruments: it always passes."""

    def __init__(self, url: str) -> None:
        self.url = url

    def run(self, header: str, environment: Mapping[str, str], timeout: float) -> Verdict:
        asked = Request(f"{environment['FRONT_URL']}{self.url}", headers={"baggage": header})
        with urlopen(asked, timeout=timeout):
            return Verdict()


@contextmanager
def running(lab: Lab, path: str) -> Iterator[Callable[[Plan], Execution]]:
    standing = Standing(lab.environment, lab.environment["FILIBUSTER_KEY"])
    with Coordinator(standing.key.encode()) as coordinator:
        asking = Asking(f"{path}?{lab.query}")
        runner = Runner(asking, standing, coordinator, Terms(20.0))
        yield runner.execute


def catalogue(*rules: str) -> Catalogue:
    return Catalogue(tuple(Entry.of(parse_rule(rule)) for rule in rules))


@pytest.mark.parametrize(
    ("path", "rules"),
    [
        ("/call/through", ("mid→back: delay 900ms", "mid→back: delay 1s", "*→*: status 503")),
        ("/call/through", ("*→*: timeout late", "*→*: reset late", "*→*: refused")),
        (
            "/call/through",
            ('mid→back: edit "null tags"', 'mid→back: edit "drop user"', "*→*: timeout late"),
        ),
        ("/call/queue", ("*→queue: drop", "*→queue: duplicate", "front→back: status 503")),
        ("/call/through", ("front→mid: delay 500ms", "mid→back: delay 400ms")),
    ],
)
def test_what_is_predicted_of_them_is_what_a_run_shows(
    lab: Lab, path: str, rules: tuple[str, ...]
) -> None:
    with running(lab, path) as run:
        every: dict[object, Execution] = {}

        def once(plan: Plan) -> Execution:
            if plan.key not in every:
                every[plan.key] = run(plan)
            return every[plan.key]

        whole = list(explore(once, catalogue(*rules), NoReduction(), PAIRS))
        predictor = Predictor()
        events = list(explore(once, catalogue(*rules), predictor, PAIRS))
    assert plans(events) == plans(whole)
    findings = [finding for event in ran(events) for finding in event.findings]
    assert not [f for f in findings if f.kind is FindingKind.NONDETERMINISTIC]
    for plan in plans(events):
        # What has run is predicted by itself; what was pruned, by others.
        foreseen = predictor.predict(plan)
        assert foreseen is not None, plan
        assert shown(foreseen.execution) == shown(every[plan.key]), plan
