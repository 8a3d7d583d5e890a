"""Every command that pyproject.toml declares explains itself, as does every command within it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module

import click
import pytest
from click.testing import CliRunner

from tests.architecture import tree

SCRIPTS = tree.pyproject()["project"]["scripts"]


def commands(script: str) -> Iterator[tuple[str, ...]]:
    """Yield the words that lead to each command of a script, the script's own first."""
    main = entry(script)
    todo: list[tuple[tuple[str, ...], click.Command]] = [((), main)]
    for words, command in todo:
        yield words
        if isinstance(command, click.Group):
            todo += [((*words, name), inner) for name, inner in command.commands.items()]


def entry(script: str) -> click.Command:
    module, _, attribute = SCRIPTS[script].partition(":")
    main = getattr(import_module(module), attribute)
    assert isinstance(main, click.Command)
    return main


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_command_has_help_with_an_example(script: str) -> None:
    silent = []
    for words in commands(script):
        answer = CliRunner().invoke(entry(script), [*words, "--help"], prog_name=script)
        if answer.exit_code != 0 or "example:" not in answer.output.lower():
            silent.append((script, *words))
    assert silent == []


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_starts_by_itself(script: str) -> None:
    module, _, attribute = SCRIPTS[script].partition(":")
    start = f"import sys; from {module} import {attribute}; sys.argv[0] = {script!r}; {attribute}()"
    ran = subprocess.run(
        [sys.executable, "-c", start, "--help"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tree.ROOT,
    )
    assert ran.returncode == 0, ran.stderr
    assert f"Usage: {script}" in ran.stdout
