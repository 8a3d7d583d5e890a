"""`filibuster analyze`, `filibuster-analysis` and `filibuster schema`, as people type them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.filibuster.shell import BIN, EXAMPLES, Ended, Shell, Totals

ANALYSIS = str(BIN / "filibuster-analysis")
TUTORIAL = EXAMPLES / "tutorial"
STATUSES = {"bar": ["500", "503"], "baz": ["500"], "foo": ["500", "503"]}


@pytest.fixture
def tutorial(tmp_path: Path) -> Shell:
    """A copy of the tutorial, where files may be written."""
    ignored = shutil.ignore_patterns(".filibuster", "__pycache__")
    return Shell(Path(shutil.copytree(TUTORIAL, tmp_path / "tutorial", ignore=ignored)))


def analyze(shell: Shell, *more: str) -> Ended:
    given = ("--services-directory", "services", "--output-file", "analysis.json")
    return shell.run(ANALYSIS, *given, *more)


def test_the_tutorial_answers_500_everywhere_and_503_in_foo_and_bar(tutorial: Shell) -> None:
    ended = analyze(tutorial)
    assert (ended.code, ended.err) == (0, "")
    assert "  503  services/foo/app.py:31, services/foo/app.py:33" in ended.out.splitlines()
    content = json.loads((tutorial.directory / "analysis.json").read_text())
    errors = {
        error["service_name"]: [each["return_value"]["status_code"] for each in error["types"]]
        for error in content["http"]["errors"]
    }
    assert errors == STATUSES
    assert content["python.requests"]["exceptions"] == [
        {"name": "requests.exceptions.ConnectionError"},
        {"name": "requests.exceptions.Timeout", "restrictions": "timeout"},
    ]


def test_exploring_the_tutorial_with_its_analysis_takes_eight_executions(tutorial: Shell) -> None:
    assert analyze(tutorial).code == 0
    test = ("--functional-test", "functional/test_foo_bar_baz.py")
    options = ("--services", "services-fixed.toml", "--analysis-file", "analysis.json")
    ended = tutorial.filibuster("run", *test, *options)
    assert (ended.code, ended.failed) == (0, [])
    assert ended.totals == Totals(8, ran=7, pruned=1, remaining=0)
    assert ended.pruned == ["foo → bar GET /bar/baz: 503"]


def test_both_spellings_write_the_same_and_so_does_every_run(tutorial: Shell) -> None:
    options = ("--services-directory", "services", "--output-file")
    outputs = []
    for seed in ("1", "2"):
        ended = tutorial.filibuster("analyze", *options, f"{seed}.json", PYTHONHASHSEED=seed)
        assert ended.code == 0
        outputs.append(ended.out.replace(f"{seed}.json", ""))
    assert outputs[0] == outputs[1]
    assert analyze(tutorial).code == 0
    written = {path.read_text() for path in tutorial.directory.glob("*.json")} - {
        (TUTORIAL / "counterexample.json").read_text()
        if (TUTORIAL / "counterexample.json").exists()
        else ""
    }
    assert len(written) == 1


@pytest.mark.parametrize(
    ("name", "text", "more", "complaint"),
    [
        ("services/foo/app.py", "def f(:\n", (), "services/foo/app.py:1: not Python"),
        ("services/foo/app.py", "", ("--service", "nobody"), "services/nobody: no such directory"),
        ("x", "", ("--services-directory", "nowhere"), "nowhere: no such directory"),
        ("empty/readme", "", ("--services-directory", "empty"), "empty: no service here"),
        ("lib/one/x.py", "X = 1\n", ("--services-directory", "lib"), "answers requests"),
        ("x", "", ("--output-file", "none/analysis.json"), "none/analysis.json: No such file"),
        ("x", "", ("--output-file", "services"), "services: Is a directory"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_overwrites_nothing(
    tutorial: Shell, name: str, text: str, more: tuple[str, ...], complaint: str
) -> None:
    tutorial.write("analysis.json", "before")
    tutorial.write(name, text)
    ended = analyze(tutorial, *more)
    assert ended.code == 2
    (line,) = ended.err.splitlines()
    assert complaint in line
    assert (tutorial.directory / "analysis.json").read_text() == "before"
    assert not [path for path in tutorial.directory.iterdir() if path.name.startswith(".analysis")]


def test_the_schema_is_printed_as_json(tutorial: Shell) -> None:
    ended = tutorial.filibuster("schema")
    assert ended.code == 0
    assert json.loads(ended.out)["title"] == "Filibuster analysis file"
