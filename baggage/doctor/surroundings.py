"""What the processes that the doctor starts are told: the environment as it is, or nothing of ours.

Belongs here: variables and search paths. Does not: what the settings mean, which is `runtime`'s.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import baggage.context
from baggage.boundary.settings import environment

PACKAGE: Final = Path(baggage.context.__file__).parents[1]
PREFIX: Final = "BAGGAGE"


def bootstraps() -> list[str]:
    """Return the entries of PYTHONPATH by which `baggage run` reaches a process: mostly one."""
    return [entry for entry in _entries() if _is_ours(Path(entry))]


def apart() -> Mapping[str, str]:
    """Return an environment in which nothing is said about baggage, and strictness is on.

    No meta-application is registered there. It finds what this process finds, from anywhere.
    """
    kept = {name: told for name, told in environment().items() if not name.startswith(PREFIX)}
    paths = [os.path.abspath(entry) for entry in _entries() if not _is_ours(Path(entry))]
    home = str(PACKAGE.parent)
    here = sys.path[:1] == [""] or sys.path[:1] == [os.getcwd()]
    if here and home == os.getcwd():
        paths.append(home)
    kept.pop("PYTHONPATH", None)
    if paths:
        kept["PYTHONPATH"] = os.pathsep.join(paths)
    return {**kept, "BAGGAGE_METAAPPS": "", "BAGGAGE_STRICT": "1"}


def _entries() -> list[str]:
    return [entry for entry in environment().get("PYTHONPATH", "").split(os.pathsep) if entry]


def _is_ours(entry: Path) -> bool:
    return (entry / "sitecustomize.py").is_file() and entry.resolve().is_relative_to(PACKAGE)
