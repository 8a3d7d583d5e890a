"""What is generated, locked and shipped is what its sources say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.architecture import tree

SCHEMAS = sorted((tree.ROOT / "proto").glob("*.proto"))
LOCKS = sorted((tree.ROOT / "requirements").glob("*.txt"))


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.name)
def test_generated_code_is_what_its_schema_generates(schema: Path, tmp_path: Path) -> None:
    protoc = [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={schema.parent}"]
    outputs = [f"--python_out={tmp_path}", f"--pyi_out={tmp_path}"]
    subprocess.run([*protoc, *outputs, str(schema)], check=True)
    for generated in tmp_path.iterdir():
        (committed,) = [
            path for folder in tree.PACKAGES for path in (tree.ROOT / folder).rglob(generated.name)
        ]
        assert committed.read_text() == generated.read_text(), "run `make proto`"


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_pins_everything_by_hash_and_names_no_host(lock: Path) -> None:
    text = lock.read_text()
    assert re.search(r"://|--index|--find-links|^\S+ @ ", text, re.MULTILINE) is None
    for requirement in re.split(r"\n(?=[a-z])", text):
        assert "==" in requirement
        assert "--hash=sha256:" in requirement


def test_the_wheel_is_typed_and_leaves_metaapps_to_everybody(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=tree.ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {f"{folder}/py.typed" for folder in tree.PACKAGES} <= names
    assert "metaapps/__init__.py" not in names
    assert "baggage/cli/python-path/sitecustomize.py" in names
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == {
        "baggage",
        "metaapps",
    }
