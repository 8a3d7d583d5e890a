"""The import contracts in pyproject.toml hold here, and fail for every import that they forbid.

What they forbid is tried on packages of empty modules with the project's names.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.architecture import tree

Import = tuple[str, str]

LAYERS = ("clock", "wire", "values", "context", "boundary", "instrumentation", "runtime", "testing")
FACES = ("cli", "instrumentation", "assertions", "pytest_plugin", "drop_in", "testcase")

SKELETON = [
    *(f"baggage.{layer}.{module}" for layer in LAYERS for module in ("one", "two")),
    *(f"metaapps.filibuster.{face}" for face in FACES),
    "baggage.__main__",
    "baggage.cli.one",
    "baggage.cli.two",
    "baggage.instrumentation._patching",
    "metaapps.filibuster.wire",
    "metaapps.filibuster.plan",
    "metaapps.filibuster.clip",
    "metaapps.tracing.cli",
    "metaapps.tracing.span",
]

ALLOWED = [
    ("baggage", "baggage.runtime.one"),
    ("baggage", "baggage.context.one"),
    ("baggage.values.one", "baggage.clock"),
    ("baggage.values.one", "baggage.wire"),
    ("baggage.instrumentation.one", "baggage.boundary.one"),
    ("baggage.instrumentation.one", "baggage.instrumentation._patching"),
    ("baggage.instrumentation.one", "requests"),
    ("baggage.runtime.one", "baggage.instrumentation.two"),
    ("baggage.testing.one", "baggage"),
    ("baggage.testing.one", "hypothesis"),
    ("baggage.cli.one", "baggage.wire.one"),
    ("baggage.cli.one", "click"),
    ("baggage.__main__", "baggage.cli"),
    ("baggage.wire.one", "google.protobuf.message"),
    ("metaapps.filibuster.wire", "google.protobuf.message"),
    ("metaapps.filibuster.plan", "baggage.boundary.one"),
    ("metaapps.filibuster.plan", "baggage.clock.one"),
    ("metaapps.filibuster.testcase", "metaapps.filibuster.instrumentation"),
    ("metaapps.filibuster.testcase", "metaapps.filibuster.plan"),
    ("metaapps.tracing.cli", "click"),
    *((f"metaapps.filibuster.{face}", "baggage") for face in FACES),
    *((f"metaapps.filibuster.{face}", "baggage.runtime.one") for face in FACES),
]

FORBIDDEN = [
    # up, or across, the layers
    *zip(
        (f"baggage.{lower}.one" for lower in LAYERS[1:]),
        (f"baggage.{upper}.two" for upper in LAYERS[2:]),
        strict=False,
    ),
    ("baggage.clock.one", "baggage.wire.one"),
    ("baggage.wire.two", "baggage.clock.two"),
    # the API, from below it
    ("baggage.runtime.one", "baggage"),
    ("baggage.instrumentation.one", "baggage"),
    ("baggage.clock.two", "baggage"),
    # its faces, from what they show
    ("baggage.runtime.two", "baggage.cli.one"),
    ("baggage.cli.two", "baggage.__main__"),
    # meta-applications from baggage, or from one another
    ("baggage.runtime.one", "metaapps.tracing.span"),
    ("baggage.testing.one", "metaapps.filibuster.plan"),
    ("metaapps.filibuster.plan", "metaapps.tracing.span"),
    ("metaapps.tracing.cli", "metaapps.filibuster.plan"),
    # instrumentations from one another
    ("baggage.instrumentation.one", "baggage.instrumentation.two"),
    ("baggage.instrumentation._patching", "baggage.instrumentation.one"),
    # past the waist, or to a face, from inside a meta-application
    ("metaapps.filibuster.plan", "baggage"),
    ("metaapps.filibuster.plan", "baggage.instrumentation.one"),
    ("metaapps.filibuster.plan", "baggage.runtime.one"),
    ("metaapps.filibuster.plan", "baggage.testing.one"),
    ("metaapps.filibuster.plan", "metaapps.filibuster.cli"),
    ("metaapps.filibuster.clip", "baggage"),
    ("metaapps.tracing.span", "baggage.runtime"),
    ("metaapps.tracing.span", "baggage.testing"),
    ("metaapps.tracing.span", "baggage.instrumentation"),
    ("metaapps.tracing.span", "metaapps.tracing.cli"),
    # libraries
    ("baggage.values.one", "google.protobuf.message"),
    ("metaapps.filibuster.plan", "google.protobuf.message"),
    ("metaapps.tracing.span", "google.protobuf"),
    ("baggage.boundary.one", "requests"),
    ("baggage.runtime.one", "flask"),
    ("metaapps.filibuster.plan", "grpc"),
    ("metaapps.filibuster.cli", "urllib3"),
    ("baggage.runtime.one", "click"),
    ("baggage.boundary.one", "rich"),
    ("baggage.context.one", "pytest"),
]


def test_the_projects_imports_keep_every_contract(tmp_path: Path) -> None:
    code, report = lint(tree.ROOT, tmp_path)
    assert code == 0, report


def test_what_the_layers_allow_breaks_no_contract(tmp_path: Path) -> None:
    build(tmp_path, ALLOWED)
    code, report = lint(tmp_path, tmp_path)
    assert code == 0, report


@pytest.fixture(scope="module")
def report_of_everything_forbidden(tmp_path_factory: pytest.TempPathFactory) -> str:
    # One import may make another's chain longer, so the ones are in other modules than the others.
    path = tmp_path_factory.mktemp("forbidden")
    build(path, FORBIDDEN)
    code, report = lint(path, path)
    assert code == 1, report
    return report


def test_every_contract_is_broken_by_something(report_of_everything_forbidden: str) -> None:
    names = [each["name"] for each in tree.pyproject()["tool"]["importlinter"]["contracts"]]
    kept = [name for name in names if f"{name} BROKEN" not in report_of_everything_forbidden]
    assert kept == []


def test_every_import_against_the_layers_is_named(report_of_everything_forbidden: str) -> None:
    unnamed = [
        each for each in FORBIDDEN if not re.search(pattern(*each), report_of_everything_forbidden)
    ]
    assert unnamed == []


def pattern(importer: str, imported: str) -> str:
    # Of what is installed, import-linter sees the top-level package and no further.
    ours = imported.startswith(("baggage", "metaapps"))
    named = imported if ours else imported.partition(".")[0]
    return rf"\b{re.escape(importer)} ->\s+{re.escape(named)}(?![\w.])"


def test_a_new_part_of_baggage_must_be_given_a_layer(tmp_path: Path) -> None:
    build(tmp_path, ALLOWED)
    (tmp_path / "baggage" / "misc.py").touch()
    code, report = lint(tmp_path, tmp_path)
    assert code == 1
    assert "misc" in report


def build(root: Path, imports: Iterable[Import]) -> None:
    """Write the skeleton, with these imports, under the project's own contracts."""
    shutil.copy(tree.ROOT / "pyproject.toml", root)
    for module in SKELETON:
        path = (root / module.replace(".", "/")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for package in {path.parent for path in root.rglob("*.py")} | {root / "baggage"}:
        (package / "__init__.py").touch()
    for importer, imported in imports:
        path = root / importer.replace(".", "/")
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        path.write_text(path.read_text() + f"import {imported}\n")


def lint(root: Path, cache: Path) -> tuple[int, str]:
    """Run import-linter on the packages in `root`; return its exit code and its report."""
    # Without `site` the installed project, which is editable, is not on the path.
    libraries = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    start = f"import sys; sys.path[:0] = {[str(root), *libraries]!r}; "
    start += "from importlinter.cli import lint_imports_command as run; run()"
    ran = subprocess.run(
        [sys.executable, "-S", "-c", start, "--no-logo", "--cache-dir", str(cache / "cache")],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
        env={"COLUMNS": "500"},
    )
    return ran.returncode, ran.stdout + ran.stderr
