"""Services with nothing of ours in their code are explored, and their bug is found."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.activation.programs import HERE, ran


@pytest.mark.parametrize("framework", ["flask", "django"])
def test_services_are_explored_without_a_change_of_their_code(
    framework: str, tmp_path: Path
) -> None:
    folder = tmp_path / "unchanged"
    for each in ["unchanged"] if framework == "flask" else ["unchanged", "unchanged_django"]:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(HERE / each, folder, ignore=ignored, dirs_exist_ok=True)
    assert not [path for path in folder.glob("*.py") if "baggage" in path.read_text()]
    command = "filibuster run --services services.toml --functional-test order.py"
    answer = ran(*command.split(), cwd=folder, BAGGAGE_METAAPPS="filibuster")
    assert answer.returncode == 1, answer.stdout + answer.stderr
    assert "Execution 4  shop → stock GET /tea: 500  FAILED" in answer.stdout
    (fault,) = json.loads((folder / "counterexample.json").read_text())["faults"]
    line = {"flask": 13, "django": 14}[framework]
    assert (fault["label"], fault["site"]) == (
        "shop → stock GET /tea: status 500",
        f"shop.order:{line}",
    )
