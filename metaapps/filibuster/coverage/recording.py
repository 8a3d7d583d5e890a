"""A recording: services that run under coverage.py, and where what they record is kept.

What is measured is the code in the services' directory, and in the directories of scripts and of
PYTHONPATH that a service's own table names; nothing that is installed.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Final, Self

from metaapps.filibuster.coverage import plans, startup
from metaapps.filibuster.observation import Execution
from metaapps.filibuster.services import Deployment, Service
from metaapps.filibuster.settings import parent_environment

_DESCRIPTION: Final = "recording.json"
_ENDED: Final = "ended"
_PLANS: Final = "plans.jsonl"
_DATA: Final = "data"
# What is installed, and this library where it is developed.
_NOT_THEIRS: Final = (
    "*/site-packages/*",
    "*/dist-packages/*",
    *(f"{Path(__file__).parents[3] / package}/*" for package in ("baggage", "metaapps")),
)

# Whoever measures us shall not measure the services as well, into files of their own, nor choose by
# which means we do: the environment has the last word on that.
_FOREIGN: Final = (
    "COVERAGE_PROCESS_START",
    "COVERAGE_PROCESS_CONFIG",
    "COVERAGE_FILE",
    "COVERAGE_CORE",
)


class CoverageError(Exception):
    """Coverage can't be recorded or reported: one line that says why and what to do."""


def require() -> None:
    """Check that coverage.py is installed; a CoverageError if not."""
    if find_spec("coverage") is None:
        raise CoverageError("coverage.py is missing: pip install 'baggage[coverage]'")


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording, kept in a `directory` of its own; `root` is the services' directory."""

    directory: Path
    root: Path
    services: tuple[str, ...]
    key: str
    begun: float

    @classmethod
    def begin(cls, parent: Path, deployment: Deployment, key: str = "") -> Self:
        """Prepare to record, in a new directory in `parent`, what `deployment` runs.

        By its `key`, if it has one, the recording of services that run on is found again.
        """
        require()
        names = tuple(service.name for service in deployment.services)
        directory = parent.absolute() / secrets.token_hex(4)
        begun = cls(directory, deployment.directory, names, _digest(key), time.time())
        for service in deployment.services:
            begun._prepare(service)
        begun._write()
        return begun

    @classmethod
    def latest(cls, parent: Path) -> Self | None:
        """Return the recording in `parent` that was begun last."""
        known = [cls._read(path) for path in _all(parent)]
        return max(known, key=lambda each: each.begun, default=None)

    @classmethod
    def under_way(cls, parent: Path, key: str) -> Self | None:
        """Return the recording in `parent` of services that were given this key and run."""
        known = [cls._read(path) for path in _all(parent) if not (path / _ENDED).exists()]
        mine = [each for each in known if each.key and each.key == _digest(key)]
        return max(mine, key=lambda each: each.begun, default=None)

    def measured(self, deployment: Deployment) -> Deployment:
        """Return the deployment with each service's environment such that it is measured."""
        services = tuple(
            replace(service, env=MappingProxyType({**service.env, **self._environment(service)}))
            for service in deployment.services
        )
        return replace(deployment, services=services)

    def note(self, name: str, execution: Execution) -> None:
        """Note what the execution that services know by `name` was."""
        plans.note(self.directory / _PLANS, name, execution)

    def end(self) -> None:
        """Note that the services have ended, and so written all that they recorded.

        A recording of nothing is forgotten.
        """
        if any(map(self.data_files, self.services)):
            (self.directory / _ENDED).touch()
        else:
            shutil.rmtree(self.directory)

    def replace_others(self) -> None:
        """Forget all recordings beside this one that have ended."""
        for other in _all(self.directory.parent):
            if other != self.directory and (other / _ENDED).exists():
                shutil.rmtree(other)

    def data_files(self, service: str) -> list[Path]:
        """Return the files that the processes of a service have written."""
        return sorted((self.directory / service).glob(f"{_DATA}.*"))

    @property
    def labels(self) -> Path:
        """Where the notes about executions are."""
        return self.directory / _PLANS

    def _prepare(self, service: Service) -> None:
        home = self.directory / service.name
        home.mkdir(parents=True)
        shutil.copyfile(startup.__file__, home / "sitecustomize.py")
        include = [f"{place}/*" for place in _sources(service, self.root)]
        configuration = {
            "data_file": str(home / _DATA),
            "parallel": True,
            "sigterm": True,
            # sys.monitoring, the default from Python 3.14 on, knows no contexts.
            "core": "ctrace",
            "patch": ["_exit", "execv"],
            "disable_warnings": ["no-data-collected"],
            "include": include,
            "omit": [*_NOT_THEIRS, f"{self.directory}/*"],
        }
        (home / "coverage.toml").write_text(_toml(configuration), encoding="utf-8")

    def _environment(self, service: Service) -> dict[str, str]:
        home = str(self.directory / service.name)
        inherited = service.env.get("PYTHONPATH") or parent_environment().get("PYTHONPATH")
        present = [name for name in _FOREIGN if name in {**parent_environment(), **service.env}]
        return {
            "PYTHONPATH": os.pathsep.join(filter(None, (home, inherited))),
            "FILIBUSTER_COVERAGE": home,
            **dict.fromkeys(present, ""),
        }

    def _write(self) -> None:
        description = {
            "root": str(self.root),
            "services": self.services,
            "key": self.key,
            "begun": self.begun,
        }
        text = json.dumps(description, indent=2)
        (self.directory / _DESCRIPTION).write_text(text, encoding="utf-8")

    @classmethod
    def _read(cls, directory: Path) -> Self:
        path = directory / _DESCRIPTION
        try:
            found = json.loads(path.read_bytes())
            return cls(
                directory,
                Path(found["root"]),
                tuple(found["services"]),
                found["key"],
                found["begun"],
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CoverageError(f"cannot read {str(path)!r}: {error!r}") from error


def _all(parent: Path) -> list[Path]:
    return sorted(path.parent for path in parent.absolute().glob(f"*/{_DESCRIPTION}"))


def _digest(key: str) -> str:
    return sha256(key.encode()).hexdigest()[:16] if key else ""


def _sources(service: Service, root: Path) -> list[Path]:
    """Return the directories of a service's code, without those that lie within another."""
    named = service.env.get("PYTHONPATH", "").split(os.pathsep)
    scripts = [part for part in service.command if part.endswith(".py")]
    places = [root, *(root / place for place in named if place)]
    places += [(root / script).parent for script in scripts]
    return _outermost(place.resolve() for place in places)


def _outermost(places: Iterable[Path]) -> list[Path]:
    distinct = sorted(set(places))
    return [
        place
        for place in distinct
        if not any(place.is_relative_to(o) for o in distinct if o != place)
    ]


def _toml(options: Mapping[str, object]) -> str:
    """Return options of coverage.py as a configuration file."""
    # JSON's texts, booleans and lists of texts are TOML's too; coverage.py expands dollars.
    lines = [f"{name} = {json.dumps(value)}" for name, value in options.items()]
    return "\n".join(["[tool.coverage.run]", *lines, ""]).replace("$", "$$")
