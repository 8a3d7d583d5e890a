"""The settings of the waist, read in one place: `[tool.baggage]`, then the environment.

The only module of `baggage` that says what either means.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from baggage.boundary import Policy
from baggage.boundary.settings import environment
from baggage.runtime.naming import program

NAMES: Final = (
    *("service", "libraries", "exclude", "metaapps", "hosts", "budget", "lend", "strict", "audit"),
    "disabled",
)
"""All settings: as in `[tool.baggage]`; the environment has BAGGAGE_SERVICE and so on."""
_log = logging.getLogger("baggage.runtime")
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"", "0", "false", "no", "off"})


@dataclass(frozen=True, slots=True)
class Settings:
    """What a process was told about baggage.

    `metaapps` limits which installed meta-applications are registered; None is all. `inherited` is
    the armoured baggage that the process was started with. `disabled` switches all
    instrumentation off, `audit` audit mode on. `libraries` are those that are instrumented where
    nobody names any; None is all. What is in `exclude` isn't, whoever names it.
    """

    policy: Policy = field(default_factory=Policy)
    metaapps: frozenset[str] | None = None
    inherited: str = ""
    disabled: bool = False
    audit: bool = False
    libraries: frozenset[str] | None = None
    exclude: frozenset[str] = frozenset()


def read_settings() -> Settings:
    """Return the settings of this process; what makes no sense is logged and left out."""
    return parse(project_table(), environment())


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
        service=told("service") or program(),
        strict=_flag("strict", told("strict")),
        budget=_number("budget", told("budget"), default.budget),
        hosts=tuple(hosts) if hosts else default.hosts,
        lend=tuple(_names(told("lend"))),
    )
    metaapps, libraries = told("metaapps"), told("libraries")
    return Settings(
        policy,
        None if metaapps is None else frozenset(_names(metaapps)),
        environment.get("BAGGAGE", ""),
        _flag("disabled", told("disabled")),
        _flag("audit", told("audit")),
        None if libraries is None else frozenset(_names(libraries)),
        frozenset(_names(told("exclude"))),
    )


def project_table() -> Mapping[str, Any]:
    """Return `[tool.baggage]` of the pyproject.toml of the working directory, if there is one."""
    try:
        with open("pyproject.toml", "rb") as project:
            import tomllib  # here: once in a process, if at all

            tables = tomllib.load(project)
        table: Mapping[str, Any] = tables.get("tool", {}).get("baggage", {})
    except (OSError, ValueError, AttributeError):
        return {}
    return table if isinstance(table, dict) else {}


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
