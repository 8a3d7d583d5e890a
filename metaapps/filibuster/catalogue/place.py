"""A value in a JSON file and where it stands, so that every complaint can name the place."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

_DECODER: Final = json.JSONDecoder(strict=False)
_SPACE: Final = re.compile(r"[ \t\n\r]*")
_STATUS: Final = re.compile(r"[1-5][0-9][0-9]")


class AnalysisError(ValueError):
    """An analysis file can't be used. The message is one line: the place, and what to do."""


class _TwiceError(ValueError):
    """A key stands twice in an object."""


@dataclass(frozen=True, slots=True)
class Place:
    """A value, the file it is from, and the keys and numbers that lead to it."""

    file: str
    text: str
    value: object
    steps: tuple[str | int, ...] = ()

    @property
    def name(self) -> str:
        """Where in the file it is: line and path, as in "analysis.json:7: http.errors[0]"."""
        path = ""
        for step in self.steps:
            path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
        offset = _offset(self.text, self.steps)
        line = f"{self.file}:{self.text.count(chr(10), 0, offset) + 1}"
        return f"{line}: {path}" if path else line

    def wrong(self, advice: str) -> AnalysisError:
        """Return the complaint that this must be something else."""
        return AnalysisError(f"{self.name}: {advice}, not {_shortened(self.value)}")

    def at(self, step: str | int, value: object) -> Place:
        """Return a place inside of this one."""
        return Place(self.file, self.text, value, (*self.steps, step))

    def items(self) -> Iterator[tuple[str, Place]]:
        """Yield the members of an object."""
        if not isinstance(self.value, dict):
            raise self.wrong("must be an object with one section for each library")
        for key, value in self.value.items():
            yield key, self.at(key, value)

    def get(self, key: str) -> Place | None:
        """Return a member of an object, if it is there."""
        if not isinstance(self.value, dict):
            raise self.wrong(f'must be an object with "{key}"')
        return self.at(key, self.value[key]) if key in self.value else None

    def need(self, key: str, advice: str) -> Place:
        """Return a member of an object that must be there."""
        found = self.get(key)
        if found is None:
            raise AnalysisError(f'{self.name}: "{key}" is missing: {advice}')
        return found

    def each(self, key: str) -> Iterator[Place]:
        """Yield the elements of a list that is a member of an object, if it is there."""
        found = self.get(key)
        if found is None:
            return
        if not isinstance(found.value, list):
            raise found.wrong("must be a list")
        for number, value in enumerate(found.value):
            yield found.at(number, value)

    def only(self, *known: str) -> None:
        """Refuse keys that look like known ones, misspelt. Others are none of our business."""
        if not isinstance(self.value, dict):
            raise self.wrong(f'must be an object with "{known[0]}"')
        for key in self.value:
            if key not in known and (meant := get_close_matches(key, known, 1, 0.8)):
                place = self.at(key, self.value[key]).name
                raise AnalysisError(f'{place}: unknown: write "{meant[0]}"')

    def string(self) -> str:
        """Return a text that is not empty."""
        if not isinstance(self.value, str) or not self.value:
            raise self.wrong("must be a text")
        return self.value

    def pattern(self) -> re.Pattern[str]:
        """Return a regular expression."""
        try:
            return re.compile(self.string())
        except (re.error, RecursionError, OverflowError) as error:
            raise self.wrong(f"must be a regular expression ({error})") from error

    def number(self, least: float, most: float) -> float:
        """Return a number between two, both included."""
        value = self.value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.wrong("must be a number")
        if not least <= value <= most:
            raise self.wrong(f"must be a number from {least:g} to {most:.0f}")
        return float(value)

    def whole(self, least: int, most: int) -> int:
        """Return a whole number between two, both included."""
        value = self.value
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self.wrong(f"must be a whole number from {least} to {most}")
        return value

    def status(self) -> int:
        """Return an HTTP status, given as text or number."""
        number = isinstance(self.value, str | int) and not isinstance(self.value, bool)
        if not number or not _STATUS.fullmatch(str(self.value)):
            raise self.wrong('must be an HTTP status such as "503"')
        return int(str(self.value))


def read(path: Path) -> Place:
    """Read a JSON file. Raises AnalysisError if it is missing, or isn't JSON."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        reason = error.strerror or error
        raise AnalysisError(f"{path}: {reason}: give the path of an analysis file") from error
    try:
        text = raw.decode(json.detect_encoding(raw))
        value = json.loads(text, object_pairs_hook=_members, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        place = f"{path}:{error.lineno}:{error.colno}"
        raise AnalysisError(f"{place}: not JSON ({error.msg}): correct the file") from error
    except _TwiceError as error:
        raise AnalysisError(f"{path}: {error} stands twice in an object: keep one") from error
    except (ValueError, RecursionError) as error:
        raise AnalysisError(f"{path}: not JSON ({error}): correct the file") from error
    return Place(str(path), text, value)


def _members(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _TwiceError(json.dumps(key))
        found[key] = value
    return found


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is no JSON")


def _offset(text: str, steps: tuple[str | int, ...]) -> int:
    """Return where in a JSON text a value begins that is known to be there."""
    position = _skip(text, 0)
    for step in steps:
        position = _inside(text, position, step)
    return position


def _inside(text: str, position: int, wanted: str | int) -> int:
    in_list = text[position] == "["
    number = 0
    while True:
        position = _skip(text, position + 1)
        step: str | int = number
        if not in_list:
            step, position = _DECODER.raw_decode(text, position)
            position = _skip(text, _skip(text, position) + 1)
        if step == wanted:
            return position
        _, position = _DECODER.raw_decode(text, position)
        position = _skip(text, position)
        number += 1


def _skip(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return position if match is None else match.end()


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
