"""Searches in this process: a functional test of a few lines, real services, any workers."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from metaapps.filibuster.cli.options import Options, wanted_catalogue, wanted_search
from metaapps.filibuster.cli.report import Report
from metaapps.filibuster.cli.session import open_session
from metaapps.filibuster.explore import Event, Ran
from metaapps.filibuster.observation import Execution, Role
from metaapps.filibuster.workers.interference import Difference

SERVICES = Path(__file__).parent / "stateful" / "services.toml"


@dataclass
class Searched:
    """What came of a search."""

    events: list[Event] = field(default_factory=list)
    ran_ahead: int = 0
    differences: list[Difference] = field(default_factory=list)
    said: str = ""
    error: Exception | None = None

    @property
    def executions(self) -> list[Execution]:
        return [event.execution for event in self.events if isinstance(event, Ran)]

    @property
    def committed(self) -> list[object]:
        """What has to be the same whoever worked."""
        return [canonical(execution) for execution in self.executions]

    @property
    def failed(self) -> list[str]:
        return [plan_of(each) for each in self.executions if not each.passed]


def canonical(execution: Execution) -> object:
    calls = {
        (seen.index, seen.raised, seen.status, seen.digest, str(seen.injected))
        for seen in execution.observations
        if seen.role is Role.CALL
    }
    return plan_of(execution), execution.passed, frozenset(calls)


def plan_of(execution: Execution) -> str:
    return " + ".join(planned.label for planned in execution.plan.faults) or "no faults"


Search = Callable[..., Searched]


@dataclass(frozen=True)
class Place:
    """A directory to search in, and the services that are within reach from there."""

    directory: Path

    def search(self, text: str, **options: Any) -> Searched:
        """Search with a functional test of this text; FunctionalTestError is kept, not raised."""
        path = self.directory / "test_it.py"
        path.write_text("import os, requests\n" + textwrap.dedent(text))
        console = io.StringIO()
        told = Options(functional_test=str(path), **options)
        searched = Searched()
        with open_session(str(path), told, Report(Console(file=console, width=1000))) as session:
            search = wanted_search(told)
            try:
                for event in search.explore(
                    session.run, wanted_catalogue(told), session.look_ahead
                ):
                    searched.events.append(event)
                searched.differences = list(session.check_interference())
            except Exception as error:
                searched.error = error
            searched.ran_ahead = session.ran_ahead
        searched.said = console.getvalue()
        return searched


def place(directory: Path, env: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.chdir(directory)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    return Place(directory)
