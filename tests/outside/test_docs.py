"""What the README and the documentation show is true."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

from baggage.boundary import read_header
from baggage.cli import main as decoding
from baggage.runtime import discovery
from baggage.wire import split_members, unarmour
from metaapps.filibuster import services
from metaapps.filibuster.catalogue import load_analysis
from metaapps.filibuster.cli import main as filibuster
from metaapps.filibuster.cli.outcome import ExitCode
from metaapps.tracing.cli import main as tracing
from tests.outside import pages

ACME = pages.ROOT / "tests/outside/acme_bytes/metaapps/acme_bytes/app.py"
OURS = "baggage|docs|examples|metaapps|proto|requirements|tests"
SCRIPTS = {"baggage": decoding, "filibuster": filibuster, "tracing": tracing}


def run(*command: str, cwd: Path) -> str:
    """Run a command of the virtual environment; return what it writes."""
    told = ("BAGGAGE", "FILIBUSTER", "TRACING")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(told)}
    ran = subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        env={**environment, "PYTHONPATH": str(pages.ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not ran.stderr, ran.stderr
    return ran.stdout


@pytest.mark.parametrize("page", pages.PAGES)
def test_links_lead_somewhere(page: str) -> None:
    folder = (pages.ROOT / page).parent
    assert [link for link in pages.links(page) if not (folder / link).exists()] == []


@pytest.mark.parametrize("page", pages.PAGES)
def test_paths_in_backquotes_exist(page: str) -> None:
    paths = [text for text in pages.quoted(page) if re.fullmatch(rf"({OURS})/[\w./]*", text)]
    assert [path for path in paths if not (pages.ROOT / path).exists()] == []


@pytest.mark.parametrize("page", pages.PAGES)
def test_sessions_are_as_shown(page: str, tmp_path: Path) -> None:
    shown = tmp_path / "shown.txt"
    shown.write_text("\n\n".join(pages.blocks(page, "pycon")))
    assert run("-m", "doctest", str(shown), cwd=tmp_path) == ""


@pytest.mark.parametrize("page", pages.PAGES)
def test_python_runs(page: str, tmp_path: Path) -> None:
    for number, text in enumerate(pages.blocks(page, "python")):
        script = tmp_path / f"shown{number}.py"
        script.write_text(text)
        assert run(str(script), cwd=tmp_path) == ""


@pytest.mark.parametrize("page", pages.PAGES)
def test_commands_are_understood(page: str) -> None:
    targets = re.findall(r"^(\w+):", (pages.ROOT / "Makefile").read_text(), re.MULTILINE)
    for program, *words in pages.commands(page):
        if program == "make":
            assert set(words) <= set(targets)
        else:
            understand(SCRIPTS[program], program, words)


def understand(command: click.Command, name: str, words: list[str]) -> None:
    """Parse a command line down to its last command, without running it."""
    while isinstance(command, click.Group):
        name, *words = words
        command = command.commands[name]
    command.make_context(name, words)


@pytest.mark.parametrize("page", pages.PAGES)
def test_toml_and_json_are_what_they_claim_to_be(page: str) -> None:
    for text in pages.blocks(page, "toml"):
        tomllib.loads(text)
    for text in pages.blocks(page, "json"):
        json.loads(text)


def test_the_example_of_a_meta_application_is_the_one_that_is_tested() -> None:
    assert ACME.read_text() in pages.blocks("docs/meta-applications.md", "python")


def test_the_examples_of_filibusters_files_are_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    deployments = pages.blocks("docs/filibuster.md", "toml")
    (tmp_path / "services.toml").write_text("\n".join(deployments))
    named = services.load(tmp_path / "services.toml").services
    assert [service.url_variable for service in named] == ["SHOP_URL", "STOCK_URL", "WORKER_URL"]
    (analysis,) = pages.blocks("docs/filibuster.md", "json")
    (tmp_path / "analysis.json").write_text(analysis)
    assert len(load_analysis(tmp_path / "analysis.json").entries) == 4


def test_every_option_of_run_is_explained() -> None:
    options = [option for each in filibuster.commands["run"].params for option in each.opts]
    explained = {text.split()[0] for text in pages.quoted("docs/filibuster.md")}
    assert [option for option in options if option not in explained] == []


def test_every_exit_code_is_explained() -> None:
    rows = re.findall(r"^\| (\d+) \|", pages.read("docs/filibuster.md"), re.MULTILINE)
    assert sorted(map(int, rows)) == [code.value for code in ExitCode]


def test_every_instrumented_library_has_a_row_in_the_guide() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \|", pages.read("docs/boundaries.md"), re.MULTILINE)
    assert sorted(rows) == sorted(discovery.instrumentations())


def test_every_instrumented_library_is_named_in_the_readme() -> None:
    (table,) = re.findall(
        r"^\| Boundary \| Libraries \|\n((?:\|.*\n)+)", pages.read("README.md"), re.MULTILINE
    )
    assert sorted(re.findall(r"`([\w.]+)`", table)) == sorted(discovery.instrumentations())


def test_the_readme_is_short() -> None:
    assert 500 <= len(pages.read("README.md").split()) <= 650


@pytest.mark.parametrize("page", ["README.md", "docs/filibuster.md"])
def test_output_is_what_the_tutorial_prints(page: str, printed: str) -> None:
    blocks = [*pages.blocks(page, "console"), *pages.blocks(page, "")]
    shown = [text for text in blocks if not text.startswith("$ make showcase")]
    lines = [line for text in shown for line in text.splitlines() if not line.startswith("$ ")]
    story = (pages.ROOT / "examples/tutorial/demo.py").read_text()
    lines = [masked(line) for line in lines if line.strip() not in story]
    assert lines
    assert [line for line in lines if line not in printed] == []


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return what `filibuster run` prints about the tutorial, without what differs in each run."""
    folder = tmp_path_factory.mktemp("tutorial") / "copy"
    shutil.copytree(pages.ROOT / "examples/tutorial", folder)
    options = ["--services", "services.toml", "--functional-test"]
    test = "functional/test_foo_bar_baz.py"
    return masked(run("-m", "metaapps.filibuster.cli", "run", *options, test, cwd=folder))


def masked(text: str) -> str:
    """Return output without times and ports."""
    return re.sub(r"(?<=127\.0\.0\.1:)\d+|[\d.]+(?= (ms|s)\b)", "N", text)


def test_the_worked_header_is_made_of_the_bytes_in_the_table() -> None:
    (header,) = [text for text in pages.blocks("docs/wire.md", "") if "causal=" in text]
    ours, foreign = split_members(header.partition(": ")[2].strip())
    assert ours is not None
    assert foreign == ("userId=alice",)
    rows = re.findall(r"^\| `((?:[0-9a-f]{2} ?)+)` \|", pages.read("docs/wire.md"), re.MULTILINE)
    assert bytes.fromhex(" ".join(rows)) == unarmour(ours)


def test_the_worked_header_says_what_the_text_says() -> None:
    (header,) = [text for text in pages.blocks("docs/wire.md", "") if "causal=" in text]
    carried = read_header(header.partition(": ")[2].strip())
    assert list(carried.history.seen) == [0xFDA881C39F073670]
    assert {key: carried.unpack(key) for key in carried.keys()} == {  # noqa: SIM118 - no dict
        "acme.tenant": ("blue",),
        "seats": (2,),
        "acme.hops": (1,),
    }
    assert carried.down["acme.hops"] == (1, 20)
    assert carried.origin == "shop"
