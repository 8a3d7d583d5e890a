"""A deployment: which services there are and how each is started, read from `services.toml`.

Everything that can be found wrong without starting a process is found here.
"""

from __future__ import annotations

import re
import shlex
import shutil
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

from metaapps.filibuster.settings import parent_environment


class ServicesError(Exception):
    """The services could not be described, started or stopped; the first line says why."""


@dataclass(frozen=True, slots=True)
class Service:
    """How to start one service.

    `command` may hold the placeholders {python}, {fd} and {port}, each replaced literally. `ready`
    is the path that answers below 500 once the service is ready; None takes any answer to `/`. A
    service that takes messages, say, and serves nothing is `silent`: it's ready at once, or when
    its output has the text that it `says`.
    `instrument` starts it by `baggage run`, so that nothing of ours need be in its code; it's
    `outside` if it was said that it's not to be instrumented.
    """

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str]
    ready: str | None = None
    instrument: bool = False
    silent: bool = False
    says: str = ""
    outside: bool = False

    @property
    def url_variable(self) -> str:
        """The environment variable in which everyone finds this service."""
        return url_variable(self.name)

    def arguments(self, *, fd: int, port: int) -> list[str]:
        """Return the command with its placeholders filled in."""
        values = {"{python}": sys.executable, "{fd}": str(fd), "{port}": str(port)}
        own = [_PLACEHOLDER.sub(lambda found: values[found[0]], part) for part in self.command]
        return [*_RUN, *own] if self.instrument else own


def url_variable(name: str) -> str:
    """Return the environment variable in which everyone finds a service."""
    return re.sub(r"\W", "_", name).upper() + "_URL"


@dataclass(frozen=True, slots=True)
class Deployment:
    """The services under test; `directory` is where the commands run."""

    directory: Path
    services: tuple[Service, ...]

    def with_env(self, env: Mapping[str, str]) -> Deployment:
        """Return a deployment with more variables for every service; a service's own win."""
        services = (replace(service, env={**env, **service.env}) for service in self.services)
        return replace(self, services=tuple(services))


_PLACEHOLDER: Final = re.compile(r"\{(?:python|fd|port)\}")
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_PATH: Final = re.compile(r"/[!-~]*")
_KEYS: Final = ("command", "env", "ready", "says", "instrument")
# Nothing that lies where the service is run may be taken for a part of ours.
_RUN: Final = (sys.executable, "-P", "-m", "baggage", "run", "--")


def load(path: Path | str) -> Deployment:
    """Read a `services.toml`; whatever is wrong with it is a ServicesError of one line."""
    path = Path(path)
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ServicesError(f"cannot read {str(path)!r}: {reason}") from error
    except tomllib.TOMLDecodeError as error:
        raise ServicesError(f"{str(path)!r} is not TOML: {error}") from error
    try:
        return _deployment(document, path.absolute().parent)
    except ServicesError as error:
        raise ServicesError(f"{str(path)!r}: {error}") from error


def _deployment(document: Mapping[str, object], directory: Path) -> Deployment:
    _known(document, ("services", "instrument"), "the top level")
    instrument = _instrument(document, "the top level")
    tables = document.get("services")
    if not isinstance(tables, dict) or not tables:
        raise ServicesError("no services; start with a table [services.NAME] that has a command")
    services = tuple(_service(name, table, directory, instrument) for name, table in tables.items())
    owners: dict[str, str] = {}
    for service in services:
        other = owners.setdefault(service.url_variable, service.name)
        if other != service.name:
            both = f"{other!r} and {service.name!r}"
            raise ServicesError(f"{both} would share the variable {service.url_variable}")
    return Deployment(directory, services)


def _service(name: str, table: object, directory: Path, instrument: bool | None) -> Service:
    if not _NAME.fullmatch(name):
        raise ServicesError(f"{name!r} is no name for a service; use letters, digits, - and _")
    place = f"[services.{name}]"
    if not isinstance(table, dict):
        raise ServicesError(f"{place} is no table")
    _known(table, _KEYS, place)
    env = _env(table.get("env", {}), place)
    command, ready = _command(table.get("command"), place), _ready(table, place)
    says = _says(table, place)
    silent = ready is False or bool(says)
    service = Service(name, command, env, ready or None, silent=silent, says=says)
    _find_program(service, directory, place)
    own = _instrument(table, place)
    wanted = instrument if own is None else own
    return replace(service, instrument=bool(wanted), outside=wanted is False)


def _known(table: Mapping[str, object], keys: tuple[str, ...], place: str) -> None:
    for key in table:
        if key not in keys:
            raise ServicesError(f"unknown key {key!r} in {place}; known are {', '.join(keys)}")


def _command(value: object, place: str) -> tuple[str, ...]:
    if isinstance(value, str):
        try:
            value = shlex.split(value)
        except ValueError as error:
            raise ServicesError(f"cannot split the command in {place}: {error}") from error
    if not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value):
        raise ServicesError(f"{place} needs a command: a string, or a list of strings")
    return tuple(value)


def _env(value: object, place: str) -> Mapping[str, str]:
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise ServicesError(f"env in {place} must be a table of strings")
    return MappingProxyType(dict(value))


def _ready(table: Mapping[str, object], place: str) -> str | Literal[False] | None:
    ready = table.get("ready")
    if ready is None or ready is False or (isinstance(ready, str) and _PATH.fullmatch(ready)):
        return ready
    wanted = "a path that starts with /, or false"
    raise ServicesError(f"ready in {place} must be {wanted}, not {ready!r}")


def _says(table: Mapping[str, object], place: str) -> str:
    says = table.get("says", "")
    if not isinstance(says, str):
        raise ServicesError(f"says in {place} must be a text, not {says!r}")
    if says and table.get("ready"):
        raise ServicesError(f"{place} is ready by what it answers or says: leave one of both out")
    return says


def _instrument(table: Mapping[str, object], place: str) -> bool | None:
    """Return what is said, None if nothing is."""
    instrument = table.get("instrument")
    if instrument is None or isinstance(instrument, bool):
        return instrument
    raise ServicesError(f"instrument in {place} must be true or false, not {instrument!r}")


def _find_program(service: Service, directory: Path, place: str) -> None:
    program = service.arguments(fd=0, port=0)[0]
    search = service.env.get("PATH") or parent_environment().get("PATH")
    # A path with a slash is looked up where the command runs, a bare name on the PATH.
    wanted = str(directory / program) if "/" in program else program
    if shutil.which(wanted, path=search) is None:
        raise ServicesError(f"command {program!r} in {place} is not found, or not executable")
