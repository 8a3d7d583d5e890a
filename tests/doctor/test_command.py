"""The command refuses what makes no sense, and shows what it does on terminals alone."""

from __future__ import annotations

import io
import sys

import pytest
from click.testing import CliRunner, Result

from baggage.cli import main
from baggage.cli.progress import Progress
from tests.doctor.patients import Site


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["doctor", *arguments], prog_name="baggage")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["flsk"], "Error: no instrumentation for 'flsk': did you mean 'flask'?"),
        (["--timeout", "0", "flask"], "Invalid value for '--timeout'"),
        (["--no-such-option"], "No such option"),
    ],
)
def test_bad_usage_is_code_2_and_tries_nothing(arguments: list[str], said: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert said in result.output


def test_nothing_but_the_report_is_written_where_nobody_watches(site: Site) -> None:
    ran = site.run("doctor", "queue")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.endswith("healthy; 1 of 1 libraries found; self-tests: 1 passed\n")


def test_a_terminal_sees_progress_on_one_line_that_goes_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    progress = Progress()
    progress("a long name")
    progress("short")
    progress.over()
    *_, first, second, cleared, rest = terminal.getvalue().split("\r")
    assert first == "1 tried, the last one a long name"
    assert second == "2 tried, the last one short".ljust(len(first))
    assert (cleared.strip(), rest) == ("", "")
