"""Distributions of others bring instrumentations, by an entry point: built, installed and used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.activation.programs import HERE, RUN, ran, said

CALL = """
import json
from acme_phone import Phone
import baggage
from baggage.runtime import PROCESS

def listen(words, notes):
    return [words, sorted(notes)]

with baggage.attached(baggage.Baggage().pack("n", 1)):
    print(json.dumps([Phone(listen).call("hello", {"own": "x"}), "acme_phone" in PROCESS.active()]))
"""
CARRIED = [["hello", ["baggage", "own"]], True]
NOT_CARRIED = [["hello", ["own"]], False]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Build the distribution's wheel and install it, offline; return where."""
    wheels, target = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("target")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels)]
    subprocess.run(build, cwd=HERE / "acme_phone", check=True, capture_output=True)
    (wheel,) = wheels.glob("acme_phone-*.whl")
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet"]
    subprocess.run(
        [*install, "--disable-pip-version-check", "--target", str(target), str(wheel)],
        check=True,
        capture_output=True,
    )
    return str(target)


def declared(folder: Path, library: str, module: str) -> str:
    """Install metadata alone: a distribution whose instrumentation is not what it says."""
    metadata = folder / "broken-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    entry = f"[baggage.instrumentations]\n{library} = {module}\n"
    (metadata / "entry_points.txt").write_text(entry)
    return str(folder)


def test_an_installed_instrumentation_is_found_and_used(installed: str) -> None:
    assert said(*RUN, "python", "-c", CALL, PYTHONPATH=installed) == CARRIED


def test_it_may_be_chosen_and_excluded_as_any_other(installed: str) -> None:
    chosen = (*RUN, "--library", "acme_phone", "python", "-c", CALL)
    assert said(*chosen, PYTHONPATH=installed) == CARRIED
    excluded = (*RUN, "--exclude", "acme_phone", "python", "-c", CALL)
    assert said(*excluded, PYTHONPATH=installed) == NOT_CARRIED


def test_it_is_found_by_who_activates_a_process_himself(installed: str) -> None:
    late = CALL.replace("import baggage\n", "import baggage.auto, baggage\n")
    assert said("python", "-c", late, PYTHONPATH=installed) == CARRIED


@pytest.mark.parametrize("module", ["no_such_module", "json", "json:loads"])
def test_one_that_fails_is_logged_and_left_out(module: str, tmp_path: Path) -> None:
    path = declared(tmp_path, "colorsys", module)
    look = (
        "import colorsys; from baggage.runtime import PROCESS;"
        "print(colorsys.rgb_to_hsv(0, 0, 0), {*PROCESS.active()} & {'colorsys', 'queue'})"
    )
    answer = ran(*RUN, "python", "-c", look, PYTHONPATH=path)
    assert (answer.returncode, answer.stdout) == (0, "(0.0, 0.0, 0) {'queue'}\n")
    assert answer.stderr.startswith("instrumentation of colorsys left out\n")


def test_a_meta_application_that_fails_is_shown_with_its_own_traceback_alone(
    tmp_path: Path,
) -> None:
    (tmp_path / "acme_app.py").write_text("def create():\n    raise LookupError('no licence')\n")
    home = tmp_path / "acme_app-1.0.dist-info"
    home.mkdir()
    (home / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-app\nVersion: 1.0\n")
    (home / "entry_points.txt").write_text("[baggage.metaapps]\nacme = acme_app:create\n")
    program = (*RUN, "--", "python", "-c", "print('ran')")
    answer = ran(*program, PYTHONPATH=str(tmp_path), BAGGAGE_METAAPPS="acme")
    assert (answer.returncode, answer.stdout) == (0, "ran\n")
    assert answer.stderr.startswith("meta-application acme left out\nTraceback ")
    assert answer.stderr.endswith("LookupError: no licence\n")
    assert answer.stderr.count("Traceback") == 1
