"""The reader of analysis files: the original Filibuster's format, and what ours adds to it.

`schema` describes the format, docs/analysis.md what it means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeVar

from baggage.boundary import Fault, FaultKind
from metaapps.filibuster.catalogue.calls import Calls, RuleError, parse_calls
from metaapps.filibuster.catalogue.expression import PREFIX, Expression, ExpressionError, parse
from metaapps.filibuster.catalogue.faults import ANY, Catalogue, Entry, Metadata
from metaapps.filibuster.catalogue.place import AnalysisError, Place, read
from metaapps.filibuster.catalogue.rule import MOST_ATTEMPTS, parse_rule
from metaapps.filibuster.catalogue.wording import (
    LEAST_SECONDS,
    MOST_SECONDS,
    checked_edit,
    make_late,
)
from metaapps.filibuster.status import GRPC_CODES

T = TypeVar("T")
_NEUTRAL: Final[Mapping[str, FaultKind]] = {
    "requests.exceptions.ConnectionError": FaultKind.REFUSED,
    "requests.exceptions.Timeout": FaultKind.TIMEOUT,
    "requests.exceptions.ReadTimeout": FaultKind.TIMEOUT,
    "aiohttp.client_exceptions.ClientConnectorError": FaultKind.REFUSED,
    "asyncio.exceptions.TimeoutError": FaultKind.TIMEOUT,
    "httpx.ConnectError": FaultKind.REFUSED,
    "httpx.ReadTimeout": FaultKind.TIMEOUT,
}

KINDS: Final = tuple(kind.value for kind in FaultKind if kind is not FaultKind.RAISE)
"""What `kind` may be among a section's `faults`; an exception by its name has a list of its own."""


def load_analysis(path: Path) -> Catalogue:
    """Read a catalogue from an analysis file (JSON).

    Exceptions of all sections come first, then `faults`, then errors, each in the file's order. A
    fault may be a text, as in `rule`: it needs no pattern. An exception's `metadata` tells a gRPC
    `code`, and `sleep` and `abort` for foreign clients. Raises `AnalysisError` for a file that is
    missing, isn't JSON, has another shape, or names no fault.
    """
    whole = read(path)
    sections = [section for name, section in whole.items() if not name.startswith("$")]
    for section in sections:
        section.only("pattern", "exceptions", "errors", "faults")
    exceptions = [entry for section in sections for entry in _exceptions(section)]
    faults = [entry for section in sections for entry in _faults(section)]
    errors = [entry for section in sections for entry in _errors(section)]
    if not exceptions and not faults and not errors:
        raise AnalysisError(f'{path}: names no fault: add "exceptions" or "errors" to a section')
    return Catalogue((*exceptions, *faults, *errors))


def _entry(section: Place, fault: Fault, place: Place) -> Entry:
    """Return an entry for the calls of a section, with what else its place says of them."""
    restriction, services = place.get("restrictions"), place.get("service_name")
    attempts, after = _when(place)
    return Entry(
        section.need("pattern", r'say which calls, as in "requests\\.(get|put)"').pattern(),
        fault,
        restriction.string() if restriction else "",
        services.pattern() if services else None,
        _metadata(place),
        attempts=attempts,
        after=after,
    )


def _when(place: Place) -> tuple[int | None, Calls | None]:
    """Return how many attempts shall fail, and after which calls."""
    attempts, after = place.get("attempts"), place.get("after")
    return (
        attempts.whole(1, MOST_ATTEMPTS) if attempts else None,
        _understood(after, parse_calls) if after else None,
    )


def _understood(place: Place, parsed: Callable[[str], T]) -> T:
    """Return what a text in people's words says."""
    try:
        return parsed(place.string())
    except RuleError as error:
        raise AnalysisError(f"{place.name}: {error}") from error


def _exceptions(section: Place) -> Iterator[Entry]:
    for place in section.each("exceptions"):
        place.only("name", *_COMMON)
        name = place.need("name", 'say which, as in "requests.exceptions.ConnectionError"').string()
        yield _entry(section, _grpc_status(place) or _exception(name), place)


def _exception(name: str) -> Fault:
    kind = _NEUTRAL.get(name)
    return Fault(FaultKind.RAISE, name=name) if kind is None else Fault(kind)


def _metadata(place: Place) -> tuple[tuple[str, Metadata | Expression], ...]:
    found = place.get("metadata")
    if found is None:
        return ()
    if not isinstance(found.value, dict):
        raise found.wrong("must be an object")
    return tuple((key, _metadatum(key, each)) for key, each in found.items())


def _metadatum(key: str, place: Place) -> Metadata | Expression:
    value = place.value
    if isinstance(value, str) and value.startswith(PREFIX):
        try:
            return parse(value)
        except ExpressionError as error:
            raise place.wrong(f"must be an expression ({error})") from error
    if key == "abort" and not isinstance(value, bool):
        raise place.wrong("must be true or false")
    if key == "sleep" and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise place.wrong("must be a number of seconds, or an expression such as @expr(1+1)")
    if key == "sleep" and isinstance(value, int | float) and value < 0:
        raise place.wrong("must be 0 or more seconds")
    if value is not None and not isinstance(value, str | int | float):
        raise place.wrong("must be a text, a number, true or false")
    return value


def _faults(section: Place) -> Iterator[Entry]:
    for place in section.each("faults"):
        if isinstance(place.value, str):
            pattern = section.get("pattern")
            yield Entry.of(_understood(place, parse_rule), pattern.pattern() if pattern else ANY)
            continue
        place.only("kind", "late", *_DETAILS, *_COMMON)
        kind = place.need("kind", f"say which of {', '.join(KINDS)}")
        if kind.value not in KINDS:
            raise kind.wrong(f"must be one of {', '.join(KINDS)}")
        yield _entry(section, _late(place, _fault(place, FaultKind(kind.value))), place)


_COMMON: Final = ("restrictions", "metadata", "service_name", "attempts", "after")


def _fault(place: Place, kind: FaultKind) -> Fault:
    """Return the fault of a kind; what its place says beyond the kind is checked all the same."""
    said = {name: read(found) for name, read in _DETAILS.items() if (found := place.get(name))}
    if kind is FaultKind.STATUS:
        if "code" in said:
            return Fault(kind, status=said["code"])
        place.need("status_code", 'give an HTTP status such as "503", or a gRPC "code"')
        return Fault(kind, status=said["status_code"], body=said.get("body"))
    if kind is FaultKind.BODY:
        if "edit" in said:
            return Fault(kind, edit=said["edit"])
        place.need("body", 'give the text that shall be answered, or an "edit" of what came')
        return Fault(kind, body=said["body"], late=True)
    if kind is FaultKind.DELAY:
        place.need("seconds", "say how long it takes")
        return Fault(kind, seconds=said["seconds"])
    return Fault(kind)


def _late(place: Place, fault: Fault) -> Fault:
    """Return a fault that befalls the answer, if its place says so."""
    late = place.get("late")
    if late is None:
        return fault
    if not isinstance(late.value, bool):
        raise late.wrong("must be true or false")
    if not late.value:
        return fault
    try:
        return replace(fault, late=make_late(fault))
    except RuleError as error:
        raise AnalysisError(f"{late.name}: {error}") from error


def _body(place: Place | None) -> bytes | None:
    if place is None:
        return None
    if not isinstance(place.value, str):
        raise place.wrong("must be a text")
    return place.value.encode("utf-8", "surrogatepass")


def _grpc_code(code: Place) -> int:
    name = code.string()
    if name not in GRPC_CODES[1:]:
        raise code.wrong('must be a gRPC code such as "UNAVAILABLE"')
    return GRPC_CODES.index(name)


_DETAILS: Final[Mapping[str, Callable[[Place], Any]]] = {
    "status_code": Place.status,
    "code": _grpc_code,
    "body": _body,
    "edit": lambda place: _understood(place, checked_edit),
    "seconds": lambda place: place.number(LEAST_SECONDS, MOST_SECONDS),
}


def _errors(section: Place) -> Iterator[Entry]:
    for error in section.each("errors"):
        error.only("service_name", "types", "attempts", "after")
        error.need("service_name", 'say which, ".*" for every service').pattern()
        _when(error)
        for place in error.each("types"):
            yield _entry(section, _error(place), error)


def _error(place: Place) -> Fault:
    place.only("return_value", "exception")
    answer = place.get("return_value")
    if answer is not None:
        answer.only("status_code", "body")
        status = answer.need("status_code", 'give an HTTP status such as "503"').status()
        return Fault(FaultKind.STATUS, status=status, body=_body(answer.get("body")))
    raised = place.need("exception", 'give this or a "return_value"')
    fault = _grpc_status(raised)
    if fault is None:
        raise raised.wrong('must have a gRPC "code" in its "metadata"')
    return fault


def _grpc_status(place: Place) -> Fault | None:
    """Return the gRPC status that `metadata.code` names; gRPC's one exception says no more."""
    metadata = place.get("metadata")
    code = metadata.get("code") if metadata else None
    return None if code is None else Fault(FaultKind.STATUS, status=_grpc_code(code))
