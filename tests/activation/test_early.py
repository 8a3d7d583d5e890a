"""What was imported, subclassed or made before a process is activated carries baggage as well."""

from __future__ import annotations

import json
import sys

from tests.activation.programs import HERE, ran


def otherwise(program: str, expected: list[object]) -> dict[str, object]:
    """Return what isn't as expected, of all that is there before `baggage.auto` is imported."""
    answer = ran(sys.executable, str(HERE / "early" / program))
    assert answer.returncode == 0, answer.stderr
    found: dict[str, object] = json.loads(answer.stdout)
    assert found
    return {name: what for name, what in found.items() if what != expected}


def test_clients_that_were_made_before_carry_baggage() -> None:
    assert otherwise("clients.py", [True]) == {}


def test_branches_of_what_runs_already_carry_baggage() -> None:
    assert otherwise("branches.py", [1]) == {}


def test_servers_that_serve_already_take_up_baggage() -> None:
    assert otherwise("servers.py", [1]) == {}
