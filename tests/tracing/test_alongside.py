"""`tracing collect -- COMMAND`: a look at what a command did."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from metaapps.filibuster.cli import main as filibuster
from metaapps.tracing.cli import main

DOCS = Path(__file__).parents[2] / "docs"
WORK = """
import sys
import baggage
from metaapps import tracing
baggage.instrument(service="shop")
with tracing.start("count the <b>stock</b>"):
    pass
sys.exit({code})
"""


def collect(
    where: Path, *command: str, options: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    tracing = [sys.executable, "-m", "metaapps.tracing.cli", "collect"]
    return subprocess.run(
        [*tracing, *options, "--", *command], cwd=where, capture_output=True, text=True, check=False
    )


def python(code: str) -> tuple[str, ...]:
    return sys.executable, "-c", code


@pytest.mark.parametrize("code", [0, 3])
def test_a_command_ends_as_it_does_and_leaves_a_page(tmp_path: Path, code: int) -> None:
    ran = collect(tmp_path, *python(WORK.format(code=code)))
    assert (ran.returncode, ran.stderr) == (code, "")
    assert ran.stdout == "traces: trace.html\n"
    page = (tmp_path / "trace.html").read_text()
    assert "count the" in page
    assert "<b>stock</b>" not in page, "names are text"


def test_a_command_that_traced_nothing_fails(tmp_path: Path) -> None:
    ran = collect(tmp_path, *python("print('done')"))
    assert (ran.returncode, ran.stdout) == (2, "done\n")
    assert ran.stderr == "no spans came: do the services call baggage.instrument()?\n"
    assert not (tmp_path / "trace.html").exists()


def test_a_command_that_fails_untraced_ends_as_it_does(tmp_path: Path) -> None:
    assert collect(tmp_path, *python("raise SystemExit(7)")).returncode == 7


def test_a_signal_is_told_as_a_shell_tells_it(tmp_path: Path) -> None:
    killed = python("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert collect(tmp_path, *killed).returncode == 137


def test_a_command_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    ran = collect(tmp_path, "./no-such-command")
    assert ran.returncode == 2
    assert ran.stderr == "Error: can't run ./no-such-command: No such file or directory\n"


def test_a_page_that_can_not_be_is_told_before_the_command_runs(tmp_path: Path) -> None:
    ran = collect(tmp_path, *python("print('done')"), options=("--page", "no/page.html"))
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == "Error: can't write no/page.html: its directory does not exist\n"


def test_who_ends_it_ends_the_command_and_gets_the_page(tmp_path: Path) -> None:
    code = WORK.partition("sys.exit")[0] + "tracing.flush(); print('traced', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-m", "metaapps.tracing.cli", "collect", "--", *python(code)],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "traced\n"
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=300)
    assert (process.returncode, said) == (128 + signal.SIGTERM, "traces: trace.html\n")


@pytest.mark.parametrize("told", ["tracing.md", "tutorial.md", "--help"])
def test_the_examples_are_commands_that_filibuster_takes(told: str) -> None:
    help_ = CliRunner().invoke(main, ["collect", "--help"]).output
    text = help_ if told == "--help" else (DOCS / told).read_text(encoding="utf-8")
    commands = re.findall(r"tracing collect -- filibuster run (.+)", text)
    assert commands
    run = filibuster.get_command(click.Context(filibuster), "run")
    assert run is not None
    for command in commands:
        with click.Context(run) as context:
            _, unexpected, _ = run.make_parser(context).parse_args(shlex.split(command))
        assert unexpected == []
