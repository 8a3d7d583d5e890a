"""The analysis of a directory of services as a file in the original Filibuster's format."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from metaapps.filibuster.analyze.answers import Answers, answers
from metaapps.filibuster.analyze.solve import solve
from metaapps.filibuster.analyze.sources import AnalyzeError, Service, find_services

_VERBS: Final = "(get|put|post|delete|head|options|patch)"
UNHANDLED_STATUS: Final = 500
UNHANDLED_CODE: Final = "UNKNOWN"

_EXCEPTIONS: Final[Mapping[str, tuple[dict[str, object], ...]]] = {
    "requests": (
        {"name": "requests.exceptions.ConnectionError"},
        {"name": "requests.exceptions.Timeout", "restrictions": "timeout"},
    ),
    "aiohttp": (
        {"name": "aiohttp.client_exceptions.ClientConnectorError"},
        {"name": "asyncio.exceptions.TimeoutError", "restrictions": "timeout"},
    ),
    "httpx": (
        {"name": "httpx.ConnectError"},
        {"name": "httpx.ReadTimeout", "restrictions": "timeout"},
    ),
}
_GRPC: Final = "grpc._channel._InactiveRpcError"


@dataclass(frozen=True, slots=True)
class Found:
    """What was found in one service."""

    service: Service
    answers: Answers

    @property
    def serves(self) -> bool:
        """Whether it is a service at all: something in it answers requests."""
        return self.answers.serves_http or self.answers.serves_grpc


def analyze(directory: Path, wanted: tuple[str, ...] = ()) -> list[Found]:
    """Analyze the services in a directory; see `find_services` for `wanted`.

    Reads their source alone. What serves nothing, such as a library that they share, comes with
    `serves` false. Raises AnalyzeError if nothing serves, or a source can't be read.
    """
    place = Path(os.path.abspath(directory))
    found = [
        Found(service, answers(solve(service, place)))
        for service in find_services(directory, wanted)
    ]
    if not any(each.serves for each in found):
        names = ", ".join(each.service.name for each in found)
        raise AnalyzeError(f"{directory}: nothing in {names} answers requests, as far as is known")
    return found


def document(found: Iterable[Found]) -> dict[str, Any]:
    """Return the content of an analysis file: exceptions of clients, then errors of services."""
    serving = [each for each in found if each.serves]
    imported = frozenset().union(*(each.answers.libraries for each in serving))
    clients = [name for name in _EXCEPTIONS if name in imported]
    content: dict[str, Any] = {
        f"python.{name}": {"pattern": rf"{name}\.{_VERBS}", "exceptions": [*_EXCEPTIONS[name]]}
        for name in clients
    }
    names = [each.service.name for each in serving]
    if "grpc" in imported:
        content["python.grpc"] = {
            "pattern": r"grpc\.",
            "exceptions": [
                {"name": _GRPC, "metadata": {"code": "UNAVAILABLE"}},
                {
                    "name": _GRPC,
                    "restrictions": "timeout",
                    "metadata": {"code": "DEADLINE_EXCEEDED"},
                },
            ],
        }
    http = [(each.service.name, [*_http(each)]) for each in serving if each.answers.serves_http]
    if http:
        one = "|".join(clients or ["requests"])
        pattern = rf"({one})\.{_VERBS}" if len(clients) > 1 else rf"{one}\.{_VERBS}"
        content["http"] = {"pattern": pattern, "errors": _errors(http, names)}
    rpc = [(each.service.name, [*_rpc(each)]) for each in serving if each.answers.serves_grpc]
    if rpc:
        content["grpc"] = {"pattern": r"grpc\.", "errors": _errors(rpc, names)}
    return content


def _http(found: Found) -> Iterator[dict[str, object]]:
    for status in sorted({UNHANDLED_STATUS, *found.answers.statuses}):
        yield {"return_value": {"status_code": str(status)}}


def _rpc(found: Found) -> Iterator[dict[str, object]]:
    for code in sorted({UNHANDLED_CODE, *found.answers.codes}):
        yield {"exception": {"metadata": {"code": code}}}


def _errors(
    services: Iterable[tuple[str, list[dict[str, object]]]], names: list[str]
) -> list[dict[str, object]]:
    return [
        {"service_name": service_pattern(name, names), "types": types} for name, types in services
    ]


def service_pattern(name: str, names: Iterable[str]) -> str:
    """Return what matches a service, and none of the others whose names begin with its name."""
    pattern = re.sub(r"([.^$*+?{}\[\]\\|()])", r"\\\1", name)
    longer = any(other != name and other.startswith(name) for other in names)
    return f"{pattern}$" if longer else pattern


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write a file as a whole, or leave what is there alone. Raises AnalyzeError."""
    text = json.dumps(content, indent=2) + "\n"
    temporary: Path | None = None
    try:
        if path.is_dir():
            raise IsADirectoryError(21, "Is a directory")
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            temporary = Path(file.name)
            file.write(text)
        temporary.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
        temporary.replace(path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        reason = error.strerror or error
        raise AnalyzeError(f"{path}: {reason}: name a file that can be written") from error
