"""The catalogue of faults: which faults are worth trying at which call.

Here are the catalogue's value, the built-in one, and the reader of the original Filibuster's
analysis files. Enacting a fault is up to each library's adapter; choosing plans is `explore`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from baggage.boundary import Fault, FaultKind
from metaapps.filibuster.observation import Observation

TIMEOUT_SET: Final = "timeout"


class AnalysisError(ValueError):
    """An analysis file can't be used. The message is one line: the place, and what to do."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One fault, and the calls that it fits.

    `calls` must match at the start of "library.method" as in "requests.get", `services` at the
    start of the target's name. `restriction` "timeout" fits only calls that set a timeout; any
    other restriction speaks of what our calls don't show, so that it fits none.
    """

    calls: re.Pattern[str]
    fault: Fault
    restriction: str = ""
    services: re.Pattern[str] | None = None

    def fits(self, observation: Observation) -> bool:
        """Whether the fault could happen at this call."""
        if self.restriction and not (
            self.restriction == TIMEOUT_SET and observation.timeout is not None
        ):
            return False
        if self.services is not None and not self.services.match(observation.target):
            return False
        return self.calls.match(f"{observation.library}.{observation.method}") is not None


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Faults to try, in the order in which they shall be tried: exceptions, then statuses."""

    entries: tuple[Entry, ...] = ()

    def faults_for(self, observation: Observation) -> tuple[Fault, ...]:
        """Return the faults that fit a call, each once, in the catalogue's order."""
        fitting = (entry.fault for entry in self.entries if entry.fits(observation))
        return tuple(dict.fromkeys(fitting))


_REQUESTS: Final = re.compile(r"requests\.")

DEFAULT: Final = Catalogue(
    (
        Entry(_REQUESTS, Fault(FaultKind.REFUSED)),
        Entry(_REQUESTS, Fault(FaultKind.TIMEOUT), TIMEOUT_SET),
        *(Entry(_REQUESTS, Fault(FaultKind.STATUS, status=code)) for code in (500, 502, 503)),
    )
)
"""What `requests` can meet: no connection, no answer in time, and a server's usual errors."""

_NEUTRAL: Final[Mapping[str, FaultKind]] = {
    "requests.exceptions.ConnectionError": FaultKind.REFUSED,
    "requests.exceptions.Timeout": FaultKind.TIMEOUT,
    "requests.exceptions.ReadTimeout": FaultKind.TIMEOUT,
}

_GRPC_CODES: Final = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)


def load_analysis(path: Path) -> Catalogue:
    """Read a catalogue from a file in the original's analysis format (JSON).

    Exceptions of all sections come first, then errors, each in the file's order. An exception's
    `metadata` counts only for the gRPC `code` in it. Raises `AnalysisError` for a file that is
    missing, isn't JSON, has another shape, or names no fault at all.
    """
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        reason = error.strerror or error
        raise AnalysisError(f"{path}: {reason}: give the path of an analysis file") from error
    except (ValueError, RecursionError) as error:
        raise AnalysisError(f"{path}: not JSON ({error}): correct the file") from error
    sections = list(_Place(str(path), content).items())
    exceptions = [entry for section in sections for entry in _exceptions(section)]
    errors = [entry for section in sections for entry in _errors(section)]
    if not exceptions and not errors:
        raise AnalysisError(f'{path}: names no fault: add "exceptions" or "errors" to a section')
    return Catalogue((*exceptions, *errors))


@dataclass(frozen=True, slots=True)
class _Place:
    """A value in the file and where it stands, so that every complaint can name the place."""

    name: str
    value: object

    def wrong(self, advice: str) -> AnalysisError:
        return AnalysisError(f"{self.name}: {advice}, not {_shortened(self.value)}")

    def items(self) -> Iterator[_Place]:
        if not isinstance(self.value, dict):
            raise self.wrong("must be an object with one section for each library")
        for key, value in self.value.items():
            yield _Place(f"{self.name}: {key}", value)

    def get(self, key: str) -> _Place | None:
        if not isinstance(self.value, dict):
            raise self.wrong(f'must be an object with "{key}"')
        if key not in self.value:
            return None
        return _Place(f"{self.name}.{key}", self.value[key])

    def need(self, key: str, advice: str) -> _Place:
        found = self.get(key)
        if found is None:
            raise AnalysisError(f'{self.name}: "{key}" is missing: {advice}')
        return found

    def each(self, key: str) -> Iterator[_Place]:
        found = self.get(key)
        if found is None:
            return
        if not isinstance(found.value, list):
            raise found.wrong("must be a list")
        for number, value in enumerate(found.value):
            yield _Place(f"{found.name}[{number}]", value)

    def text(self) -> str:
        if not isinstance(self.value, str) or not self.value:
            raise self.wrong("must be a text")
        return self.value

    def pattern(self) -> re.Pattern[str]:
        try:
            return re.compile(self.text())
        except re.error as error:
            raise self.wrong(f"must be a regular expression ({error})") from error

    def status(self) -> int:
        text = str(self.value)
        if not re.fullmatch(r"[1-5][0-9][0-9]", text):
            raise self.wrong('must be an HTTP status such as "503"')
        return int(text)


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _calls(section: _Place) -> re.Pattern[str]:
    return section.need("pattern", r'say which calls, as in "requests\\.(get|put)"').pattern()


def _exceptions(section: _Place) -> Iterator[Entry]:
    for place in section.each("exceptions"):
        name = place.need("name", 'say which, as in "requests.exceptions.ConnectionError"').text()
        restriction = place.get("restrictions")
        fault = _grpc_status(place) or _exception(name)
        yield Entry(_calls(section), fault, restriction.text() if restriction else "")


def _exception(name: str) -> Fault:
    kind = _NEUTRAL.get(name)
    return Fault(FaultKind.RAISE, name=name) if kind is None else Fault(kind)


def _errors(section: _Place) -> Iterator[Entry]:
    for error in section.each("errors"):
        services = error.need("service_name", 'say which, ".*" for every service').pattern()
        for place in error.each("types"):
            yield Entry(_calls(section), _error(place), services=services)


def _error(place: _Place) -> Fault:
    answer = place.get("return_value")
    if answer is not None:
        status = answer.need("status_code", 'give an HTTP status such as "503"').status()
        return Fault(FaultKind.STATUS, status=status)
    raised = place.need("exception", 'give this or a "return_value"')
    fault = _grpc_status(raised)
    if fault is None:
        raise raised.wrong('must have a gRPC "code" in its "metadata"')
    return fault


def _grpc_status(place: _Place) -> Fault | None:
    """Return the gRPC status that `metadata.code` names; gRPC's one exception says no more."""
    metadata = place.get("metadata")
    code = metadata.get("code") if metadata else None
    if code is None:
        return None
    name = code.text()
    if name not in _GRPC_CODES[1:]:
        raise code.wrong('must be a gRPC code such as "UNAVAILABLE"')
    return Fault(FaultKind.STATUS, status=_GRPC_CODES.index(name))
