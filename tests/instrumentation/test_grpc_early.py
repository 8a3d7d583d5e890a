"""gRPC objects that exist before anything is instrumented are covered, with generated stubs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

PROGRAM: Final = Path(__file__).parent / "apart" / "grpc_early.py"
SCHEMA: Final = """
syntax = "proto3";
package greetings;
service Greeter {
  rpc Greet(Person) returns (Greeting);
  rpc Count(Person) returns (stream Greeting);
}
message Person { string name = 1; map<string, string> attributes = 2; }
message Greeting { string words = 1; }
"""


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generated")
    (folder / "greeter.proto").write_text(SCHEMA)
    protoc = [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={folder}"]
    subprocess.run(
        [*protoc, f"--python_out={folder}", f"--grpc_python_out={folder}", "greeter.proto"],
        check=True,
        timeout=300,
    )
    return folder


@pytest.mark.parametrize("library", ["blocking", "looped"])
def test_what_was_made_before_is_covered_and_grpc_starts_no_branches(
    library: str, generated: Path
) -> None:
    ran = subprocess.run(
        [sys.executable, str(PROGRAM), library],
        env={"PYTHONPATH": f"{generated}:{PROGRAM.parents[3]}", "PATH": ""},
        cwd=generated,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
