"""Follow a whole service until nothing more comes of it."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

from metaapps.filibuster.analyze import libraries
from metaapps.filibuster.analyze.attributes import is_subclass, lineage, statuses
from metaapps.filibuster.analyze.expressions import evaluate
from metaapps.filibuster.analyze.frame import Frame
from metaapps.filibuster.analyze.program import Note, OnError, Program
from metaapps.filibuster.analyze.sources import AnalyzeError, Service, Sources, python_files, shown
from metaapps.filibuster.analyze.statements import run
from metaapps.filibuster.analyze.values import (
    ANYTHING,
    Class,
    Constant,
    Escape,
    Function,
    Library,
    Module,
    Object,
    Site,
)
from metaapps.filibuster.analyze.wiring import give_last

_MOST_RUNS: Final = 5_000


def solve(service: Service, services: Path) -> Program:
    """Analyze a service whose neighbours are in `services`. Raises AnalyzeError."""
    program = Program(Sources(services, service.directory))
    try:
        for path in python_files(service.directory):
            program.module(path)
        _repeat(program)
        for function in _factories(program):
            program.revive(function)
            for argument in program.code[function].parameters:
                program.join(function, argument.arg, ANYTHING)
        _repeat(program)
        program.settled = True
        program.again()
        _repeat(program)
        if program.runs > _MOST_RUNS:
            place = Site(shown(service.directory), 1)
            program.unfinished = Note(place, "is too much to follow: there may be more answers")
    except RecursionError as error:
        name = shown(service.directory)
        raise AnalyzeError(f"{name}: nested too deeply: leave it out by --service") from error
    return program


def _repeat(program: Program) -> None:
    while due := program.due():
        for unit in due:
            program.runs += 1
            if program.runs > _MOST_RUNS:
                return
            program.running = unit
            if isinstance(unit, Function):
                _run_function(program, unit)
            elif (path := program.modules[unit]).is_file():
                frame = Frame(program, unit, (unit,), None, {})
                run(frame, program.sources.tree(path).body)
        program.running = None
        _give_escapes(program)


def _run_function(program: Program, function: Function) -> None:
    code = program.code[function]
    frame = Frame(program, code.module, (function, *code.around), function, {})
    if isinstance(code.node, ast.Lambda):
        values = evaluate(frame, code.node.body)
        program.join(function, "<returns>", values)
        for value in values:
            program.places.setdefault((function, value), function.site)
    elif not isinstance(code.node, ast.ClassDef):
        if run(frame, code.node.body):
            program.join(function, "<returns>", {Constant(None)})
        if _is_generator(code.node):
            program.join(function, "<returns>", ANYTHING)
    program.raises(function, frame.escapes)


def _is_generator(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(isinstance(each, ast.Yield | ast.YieldFrom) for each in ast.walk(node))


def _give_escapes(program: Program) -> None:
    """Give error handlers what comes out of endpoints."""
    for endpoint in list(program.endpoints):
        for escape in list(program.escapes[endpoint.function]):
            for rule in answering(program, escape):
                give_last(program, rule.function, escape.value)


def answering(program: Program, escape: Escape) -> list[OnError]:
    """Return who answers for an exception: what is registered for the nearest of its classes."""
    ranked = [(_distance(program, escape, rule), rule) for rule in program.on_error]
    nearest = min((distance for distance, _ in ranked if distance is not None), default=None)
    return [] if nearest is None else [rule for distance, rule in ranked if distance == nearest]


def _distance(program: Program, escape: Escape, rule: OnError) -> int | None:
    raised, kind = escape.value, rule.kind
    if not isinstance(raised, Object):
        return None
    if isinstance(kind, Constant):
        return 0 if kind in statuses(program, raised) else None
    if not isinstance(kind, Class | Library) or not is_subclass(program, raised.kind, kind):
        return None
    kinds = lineage(program, raised.kind)
    if kind in kinds:
        return kinds.index(kind)
    exact = isinstance(kind, Library) and libraries.exception_status(kind) is not None
    return 0 if exact else len(kinds) + (kind == Library("builtins.Exception"))


_FACTORY: Final = libraries.WIRING | libraries.APPLICATIONS


def _factories(program: Program) -> list[Function]:
    """Return functions that nobody in the service calls and that wire up an application."""
    return [
        function
        for function, code in program.code.items()
        if isinstance(function, Function)
        and function not in program.live
        and isinstance(code.around[0], Module)
        and code.owner is None
        and any(_wires(node) for node in ast.walk(code.node))
    ]


def _wires(node: ast.AST) -> bool:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return any(_named(decorator) for decorator in node.decorator_list)
    return isinstance(node, ast.Call) and (
        (isinstance(node.func, ast.Name) and node.func.id in libraries.APPLICATIONS)
        or (_named(node.func) and getattr(node.func, "attr", "") not in _COMMON)
    )


_COMMON: Final = frozenset({"get", "post", "put", "delete", "patch", "head", "options", "path"})


def _named(node: ast.expr) -> bool:
    called = node.func if isinstance(node, ast.Call) else node
    return isinstance(called, ast.Attribute) and called.attr in _FACTORY
