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
    told = _Told(project, environment)
    default = Policy()
    policy = Policy(
        service=told.text("service") or program(),
        strict=told.flag("strict"),
        budget=told.number("budget", default.budget),
        hosts=tuple(told.names("hosts") or default.hosts),
        lend=tuple(told.names("lend") or ()),
    )
    return Settings(
        policy,
        told.chosen("metaapps"),
        environment.get("BAGGAGE", ""),
        told.flag("disabled"),
        told.flag("audit"),
        told.chosen("libraries"),
        frozenset(told.names("exclude") or ()),
    )


def switched_off() -> bool:
    """Return whether settings switch all of it off; mistakes are for who uses settings to tell."""
    try:
        project = _project_table()
    except (OSError, ValueError):
        project = {}
    return _word(_Told(project, environment()).text("disabled") or "") in _TRUE


def project_table() -> Mapping[str, Any]:
    """Return `[tool.baggage]` of the pyproject.toml of the working directory, if there is one.

    A file that can't be read is logged, and counts for nothing.
    """
    try:
        return _project_table()
    except (OSError, ValueError) as error:
        _log.warning("settings of pyproject.toml ignored: %s", error)
        return {}


def _project_table() -> Mapping[str, Any]:
    try:
        with open("pyproject.toml", "rb") as project:
            import tomllib  # here: once in a process, if at all

            tables = tomllib.load(project)
        table: Mapping[str, Any] = tables.get("tool", {}).get("baggage", {})
    except (FileNotFoundError, AttributeError):
        return {}
    return table if isinstance(table, dict) else {}


@dataclass(frozen=True, slots=True)
class _Told:
    """What the project and the environment say, one setting at a time."""

    project: Mapping[str, Any]
    environment: Mapping[str, str]

    def text(self, name: str) -> str | None:
        value = self.environment.get(_variable(name), self.project.get(name))
        if isinstance(value, list):
            return ",".join(map(str, value))
        return None if value is None else str(value)

    def names(self, name: str) -> list[str] | None:
        text = self.text(name)
        if text is None:
            return None
        return [each.strip() for each in text.split(",") if each.strip()]

    def chosen(self, name: str) -> frozenset[str] | None:
        names = self.names(name)
        return None if names is None else frozenset(names)

    def flag(self, name: str) -> bool:
        text = self.text(name) or ""
        if _word(text) not in _TRUE | _FALSE:
            self._ignored(name, text, "1 or 0")
        return _word(text) in _TRUE

    def number(self, name: str, default: int) -> int:
        text = self.text(name)
        if text is None:
            return default
        if text.strip().isdecimal():
            return int(text)
        self._ignored(name, text, "a number")
        return default

    def _ignored(self, name: str, text: str, wanted: str) -> None:
        variable = _variable(name)
        said = variable if variable in self.environment else f"{name} of [tool.baggage]"
        extra = {"setting": name, "value": text}
        _log.warning("setting ignored: %s is %r, not %s", said, text, wanted, extra=extra)


def _variable(name: str) -> str:
    return f"BAGGAGE_{name.upper()}"


def _word(text: str) -> str:
    return text.strip().lower()
