"""Services with nothing of ours in their code are explored, and their bug is found."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.activation.programs import HERE, ran


def test_services_are_explored_without_a_change_of_their_code(tmp_path: Path) -> None:
    folder = tmp_path / "unchanged"
    shutil.copytree(HERE / "unchanged", folder, ignore=shutil.ignore_patterns("__pycache__"))
    assert not [path for path in folder.glob("*.py") if "baggage" in path.read_text()]
    command = "filibuster run --services services.toml --functional-test order.py"
    answer = ran(*command.split(), cwd=folder, BAGGAGE_METAAPPS="filibuster")
    assert answer.returncode == 1, answer.stdout + answer.stderr
    assert "Execution 4  shop → stock GET /tea: 500  FAILED" in answer.stdout
    (fault,) = json.loads((folder / "counterexample.json").read_text())["faults"]
    assert (fault["label"], fault["site"]) == ("shop → stock GET /tea: status 500", "shop.order:13")
