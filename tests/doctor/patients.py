"""Made-up distributions, and the command run where they are installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import Any, Final

OF_OURS: Final = ("BAGGAGE", "FILIBUSTER", "TRACING", "PYTHON", "PYTEST", "COVERAGE")


@dataclass
class Site:
    """A directory on PYTHONPATH with distributions in it, and one to run the command in."""

    packages: Path
    here: Path
    environment: dict[str, str] = field(default_factory=dict)

    def install(
        self,
        name: str,
        modules: Mapping[str, str],
        entry_points: Mapping[str, Mapping[str, str]],
        *,
        version: str = "1.0",
        requires: Sequence[str] = (),
    ) -> None:
        """Write a distribution as an installer leaves it."""
        for module, source in modules.items():
            (self.packages / f"{module}.py").write_text(dedent(source))
        home = self.packages / f"{name.replace('-', '_')}-{version}.dist-info"
        home.mkdir()
        wants = "".join(f"Requires-Dist: {line}\n" for line in requires)
        (home / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{wants}"
        )
        (home / "top_level.txt").write_text("\n".join(modules))
        groups = (
            f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in entries.items())
            for group, entries in entry_points.items()
        )
        (home / "entry_points.txt").write_text("\n".join(groups))

    def instrumentation(self, library: str, source: str, name: str = "patient") -> None:
        """Install an instrumentation of somebody else's, which wins over ours."""
        entry_points = {"baggage.instrumentations": {library: f"{name}_module"}}
        self.install(name, {f"{name}_module": source}, entry_points)

    def metaapp(self, source: str, name: str = "acme") -> None:
        """Install a meta-application that `create` in this source makes."""
        entry_points = {"baggage.metaapps": {name: f"{name}_app:create"}}
        self.install(f"{name}-app", {f"{name}_app": source}, entry_points)

    def project(self, table: str) -> None:
        """Write settings of the project into the working directory."""
        (self.here / "pyproject.toml").write_text(f"[tool.baggage]\n{table}\n")

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run `baggage` with these arguments."""
        kept = {name: it for name, it in os.environ.items() if not name.startswith(OF_OURS)}
        return subprocess.run(
            [sys.executable, "-m", "baggage", *arguments],
            cwd=self.here,
            env={**kept, "PYTHONPATH": str(self.packages), **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=580,
        )

    def examined(self, *arguments: str, **variables: str) -> dict[str, Any]:
        """Return what `baggage doctor --json` says; its exit code agrees with that."""
        ran = self.run("doctor", "--json", *arguments, **variables)
        said: dict[str, Any] = json.loads(ran.stdout)
        assert ran.returncode == (0 if said["healthy"] else 1), ran.stderr
        return said


def row(said: Mapping[str, Any], library: str) -> dict[str, Any]:
    """Return what is said of a library."""
    (found,) = [each for each in said["libraries"] if each["library"] == library]
    return dict(found)
