"""Each command says which version it is of."""

from __future__ import annotations

from importlib.metadata import entry_points, version

import pytest
from click.testing import CliRunner


@pytest.mark.parametrize("command", ["baggage", "filibuster", "tracing"])
def test_a_command_says_its_version(command: str) -> None:
    (script,) = entry_points(group="console_scripts", name=command)
    said = CliRunner().invoke(script.load(), ["--version"], prog_name=command)
    assert (said.exit_code, said.output) == (0, f"{command}, version {version('baggage')}\n")
