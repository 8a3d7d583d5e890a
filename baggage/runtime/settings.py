"""The settings of the waist, read in one place: `[tool.baggage]`, then the environment.

The only module of `baggage` that says what either means.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from os.path import basename, splitext
from typing import Any

from baggage.boundary import Policy
from baggage.boundary.settings import environment

_log = logging.getLogger("baggage.runtime")
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"", "0", "false", "no", "off"})


@dataclass(frozen=True, slots=True)
class Settings:
    """What a process was told about baggage.

    `metaapps` limits which installed meta-applications are registered; None is all. `inherited` is
    the armoured baggage that the process was started with. `disabled` switches all
    instrumentation off, `audit` audit mode on.
    """

    policy: Policy = field(default_factory=Policy)
    metaapps: frozenset[str] | None = None
    inherited: str = ""
    disabled: bool = False
    audit: bool = False


def read_settings() -> Settings:
    """Return the settings of this process; what makes no sense is logged and left out."""
    return parse(_project(), environment())


def parse(project: Mapping[str, Any], environment: Mapping[str, str]) -> Settings:
    """Return the settings that a `[tool.baggage]` table and an environment make."""

    def told(name: str) -> str | None:
        value = environment.get(f"BAGGAGE_{name.upper()}", project.get(name))
        if isinstance(value, list):
            return ",".join(map(str, value))
        return None if value is None else str(value)

    default = Policy()
    hosts = _names(told("hosts"))
    policy = Policy(
        service=told("service") or _program(),
        strict=_flag("strict", told("strict")),
        budget=_number("budget", told("budget"), default.budget),
        hosts=tuple(hosts) if hosts else default.hosts,
        lend=tuple(_names(told("lend"))),
    )
    metaapps = told("metaapps")
    return Settings(
        policy,
        None if metaapps is None else frozenset(_names(metaapps)),
        environment.get("BAGGAGE", ""),
        _flag("disabled", told("disabled")),
        _flag("audit", told("audit")),
    )


def _project() -> Mapping[str, Any]:
    import tomllib  # here: once in a process, if at all

    try:
        with open("pyproject.toml", "rb") as project:
            tables = tomllib.load(project)
        table: Mapping[str, Any] = tables.get("tool", {}).get("baggage", {})
    except (OSError, ValueError, AttributeError):
        return {}
    return table if isinstance(table, dict) else {}


def _program() -> str:
    """Return the program's name: what a service is called that wasn't given a name."""
    script = sys.argv[0] if sys.argv else ""
    return "python" if script in ("", "-c", "-m") else splitext(basename(script))[0]


def _names(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def _flag(name: str, text: str | None) -> bool:
    word = (text or "").strip().lower()
    if word not in _TRUE | _FALSE:
        _log.warning("setting ignored", extra={"setting": name, "value": text})
    return word in _TRUE


def _number(name: str, text: str | None, default: int) -> int:
    if text is None:
        return default
    if text.strip().isdecimal():
        return int(text)
    _log.warning("setting ignored", extra={"setting": name, "value": text})
    return default
