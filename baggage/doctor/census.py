"""What is active in a process that is started here: settings, meta-applications, libraries.

Such a process (`child`) has the environment and the working directory that the doctor has. It
activates itself, unless that was done already. So no meta-application can harm the doctor.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from difflib import get_close_matches
from importlib import metadata
from typing import Any, Self

from baggage.boundary import MetaApp
from baggage.boundary.settings import environment
from baggage.doctor.oneline import in_a_line
from baggage.doctor.surroundings import PREFIX
from baggage.runtime import PROCESS, discovery
from baggage.runtime.settings import NAMES, project_table, read_settings


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting that somebody made, and where."""

    name: str
    value: str
    source: str


@dataclass(frozen=True, slots=True)
class Registered:
    """An installed meta-application: whether it's registered, and if not, why."""

    name: str
    distribution: str
    version: str
    registered: bool
    reason: str = ""

    @property
    def broken(self) -> bool:
        """Whether it was wanted, and can't be had."""
        return not self.registered and self.reason != _NOT_CHOSEN


@dataclass(frozen=True, slots=True)
class Census:
    """What a process started here is like.

    `activated` is whether it was before it ran any code of its own. `broken` are instrumentations
    that failed, and how.
    """

    service: str = ""
    activated: bool = False
    disabled: bool = False
    settings: tuple[Setting, ...] = ()
    metaapps: tuple[Registered, ...] = ()
    active: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    broken: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return all of it."""
        return asdict(self)

    @classmethod
    def of_json(cls, told: Mapping[str, Any]) -> Self:
        """Return what `to_json` tells of."""
        values = {each.name: told[each.name] for each in fields(cls)}
        values["settings"] = tuple(Setting(**each) for each in told["settings"])
        values["metaapps"] = tuple(Registered(**each) for each in told["metaapps"])
        values["active"], values["warnings"] = tuple(told["active"]), tuple(told["warnings"])
        return cls(**values)


def take() -> Census:
    """Activate this process, and return what it's like then."""
    heard = _Hearing()
    logging.getLogger("baggage").addHandler(heard)
    activated = bool(PROCESS.active())
    settings = read_settings()
    PROCESS.instrument()
    made = tuple(_settings())
    named = any(each.name == "service" for each in made)
    return Census(
        settings.policy.service if named else "",
        activated,
        settings.disabled,
        made,
        tuple(_metaapps(settings.metaapps)),
        PROCESS.active(),
        tuple(dict.fromkeys([*_mistakes(), *heard.warnings])),
        {library: in_a_line(error) for library, error in PROCESS.broken.items()},
    )


class _Hearing(logging.Handler):
    """Remembers warnings."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.warnings: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if hasattr(record, "metaapp"):  # told of at its place
            return
        self.warnings.append(record.getMessage())


def _settings() -> Iterator[Setting]:
    table, said = project_table(), environment()
    for name in NAMES:
        variable = _variable(name)
        if variable in said:
            yield Setting(name, said[variable], f"environment: {variable}")
        elif name in table:
            yield Setting(name, str(table[name]), "[tool.baggage] in pyproject.toml")
    if said.get(PREFIX):
        yield Setting("inherited", said[PREFIX], f"environment: {PREFIX}")


def _mistakes() -> Iterator[str]:
    """Yield what is set and means nothing: what looks like a setting of ours in the environment."""
    variables = [*map(_variable, NAMES)]
    for name in sorted(environment()):
        if name.startswith(f"{PREFIX}_") and name not in variables:
            meant = get_close_matches(name, variables, n=1, cutoff=0.8)
            if meant:
                yield f"{name} is no setting: did you mean {meant[0]}?"
    for name in sorted(project_table()):
        if name not in NAMES:
            yield f"{name} is no setting of [tool.baggage]: there are {', '.join(sorted(NAMES))}"


def _variable(name: str) -> str:
    return f"{PREFIX}_{name.upper()}"


_NOT_CHOSEN = "not chosen by the settings"


def _metaapps(wanted: frozenset[str] | None) -> Iterator[Registered]:
    entries = sorted(metadata.entry_points(group=discovery.GROUP), key=lambda entry: entry.name)
    for entry in entries:
        chosen = wanted is None or entry.name in wanted
        reason = "" if chosen else _NOT_CHOSEN
        if chosen:
            reason = _why_not(entry)
        distribution = "" if entry.dist is None else entry.dist.name
        version = "" if entry.dist is None else entry.dist.version
        yield Registered(entry.name, distribution, version, not reason, reason)
    for name in sorted((wanted or frozenset()) - {entry.name for entry in entries}):
        yield Registered(name, "", "", False, "chosen by the settings, but not installed")


def _why_not(entry: metadata.EntryPoint) -> str:
    """Make a meta-application once more; return why that's impossible, "" where it isn't."""
    try:
        app = entry.load()()
    except Exception as error:  # noqa: BLE001 - isolates what others wrote
        return in_a_line(error)
    return "" if isinstance(app, MetaApp) else f"{entry.value} makes {app!r}, which is none"
