"""Which error answers a service can give, and where in its source they come from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from metaapps.filibuster.analyze import libraries
from metaapps.filibuster.analyze.attributes import answer_base, codes, statuses
from metaapps.filibuster.analyze.program import Endpoint, Note, Program
from metaapps.filibuster.analyze.solve import answering
from metaapps.filibuster.analyze.values import (
    Constant,
    Function,
    Group,
    Library,
    Object,
    Site,
    Value,
    Values,
)

_DYNAMIC: Final = "answers with a status that isn't known until it runs"


@dataclass(frozen=True, slots=True)
class Answers:
    """What one service can answer when something is wrong; every answer with its places.

    `libraries` are all that the service imports; `serves_http` and `serves_grpc` tell whether it
    answers anything at all.
    """

    statuses: dict[int, list[Site]]
    codes: dict[str, list[Site]]
    notes: list[Note]
    libraries: frozenset[str]
    serves_http: bool
    serves_grpc: bool


def answers(program: Program) -> Answers:
    """Read them off a program that is solved."""
    reader = _Reader(program)
    reader.read()
    served = {endpoint.library for endpoint in program.endpoints} | program.applications
    return Answers(
        {status: sorted(sites) for status, sites in sorted(reader.statuses.items())},
        {code: sorted(sites) for code, sites in sorted(reader.codes.items())},
        sorted({*reader.notes, *_notes(program)}),
        frozenset(program.libraries),
        serves_http=bool(served - {"grpc"}),
        serves_grpc="grpc" in served,
    )


def _reachable(program: Program) -> list[Function]:
    found: dict[Function, None] = {}
    waiting = [endpoint.function for endpoint in program.endpoints]
    while waiting:
        function = waiting.pop()
        if function not in found:
            found[function] = None
            waiting += program.calls[function]
    return list(found)


def _notes(program: Program) -> Iterator[Note]:
    reachable = frozenset(_reachable(program))
    yield from (note for note, functions in program.notes.items() if functions & reachable)
    if program.unfinished is not None:
        yield program.unfinished


class _Reader:
    def __init__(self, program: Program) -> None:
        self._program = program
        self.statuses: dict[int, set[Site]] = {}
        self.codes: dict[str, set[Site]] = {}
        self.notes: list[Note] = []

    def read(self) -> None:
        program = self._program
        for endpoint in program.endpoints:
            for value in program.get(endpoint.function, "<returns>"):
                site = program.places.get((endpoint.function, value), endpoint.function.site)
                if endpoint.returns:
                    self._returned(endpoint, value, site)
            for escape in program.escapes[endpoint.function]:
                if not answering(program, escape):
                    self._answer(escape.value, escape.site)
        for function in _reachable(program):
            for effect in program.effects[function]:
                self._effect(effect.value, effect.site)

    def _returned(self, endpoint: Endpoint, value: Value, site: Site) -> None:
        if isinstance(value, Group) and value.size > 1:
            if endpoint.library in libraries.FRAMEWORKS - libraries.TUPLES:
                return
            second = self._program.get(value, Constant(1))
            self._status(frozenset(each for each in second if not _headers(each)), value.site)
            if all(isinstance(each, Group) for each in second):
                for first in self._program.get(value, Constant(0)):
                    self._answer(first, value.site)
        else:
            self._answer(value, site)

    def _answer(self, value: Value, site: Site) -> None:
        """Take the status of a response or an exception, where it was given that status."""
        if not isinstance(value, Object) or answer_base(self._program, value.kind) is None:
            return
        for each in statuses(self._program, value):
            raised = not _is_response(self._program, value)
            place = site if raised else self._program.places.get((value, each), value.site)
            self._status(frozenset({each}), place)

    def _effect(self, value: Value, site: Site) -> None:
        if isinstance(value, Object):
            self._answer(value, site)
            return
        code = libraries.grpc_code(value)
        if code is None:
            self._status(frozenset({value}), site)
        elif code != "OK":
            self.codes.setdefault(code, set()).add(site)

    def _status(self, values: Values, site: Site) -> None:
        found, unknown = codes(values)
        for status in found:
            if status >= 400:
                self.statuses.setdefault(status, set()).add(site)
        if unknown:
            self.notes.append(Note(site, _DYNAMIC))


def _headers(value: Value) -> bool:
    return isinstance(value, Library) and value.name == "headers"


def _is_response(program: Program, value: Object) -> bool:
    base = answer_base(program, value.kind)
    return base is not None and libraries.is_response(base)
