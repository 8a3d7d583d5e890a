"""What defining a function or class and importing a module does."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Final

from metaapps.filibuster.analyze.attributes import attribute
from metaapps.filibuster.analyze.calls import call
from metaapps.filibuster.analyze.expressions import evaluate
from metaapps.filibuster.analyze.frame import Frame
from metaapps.filibuster.analyze.program import BASES, Code, all_parameters
from metaapps.filibuster.analyze.values import (
    NOTHING,
    Arguments,
    Class,
    Function,
    Library,
    Method,
    Module,
    Values,
    ordered,
)
from metaapps.filibuster.analyze.wiring import serve_class, serve_wsgi

_CALLABLE: Final = (Function, Class, Method)
Run = Callable[[Frame, list[ast.stmt]], bool]
Import = ast.Import | ast.ImportFrom


def define_function(frame: Frame, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    """Define a function, and let its decorators have it."""
    function = Function(frame.site(node))
    owner = frame.scopes[0] if isinstance(frame.scopes[0], Class) else None
    # The names of a class can't be seen from within its methods.
    around = tuple(scope for scope in frame.scopes if not isinstance(scope, Class))
    marks = frozenset(_mark(decorator) for decorator in node.decorator_list)
    frame.program.define(function, Code(node, frame.module, around, owner, marks))
    _defaults(frame, function, node.args)
    for argument in all_parameters(node):
        if argument.annotation is not None:
            kinds = _annotation(frame, argument.annotation)
            frame.program.join(function, f"<annotation {argument.arg}>", kinds)
    serve_wsgi(frame.program, function)
    decorators = [] if marks & {"property", "staticmethod", "classmethod"} else node.decorator_list
    frame.bind(node.name, _decorated(frame, decorators, frozenset({function})))


def _annotation(frame: Frame, node: ast.expr) -> Values:
    """Return the classes in an annotation, and what `Annotated` carries along."""
    if isinstance(node, ast.Subscript):
        return _annotation(frame, node.slice)
    if isinstance(node, ast.Tuple):
        return NOTHING.union(*(_annotation(frame, each) for each in node.elts))
    if isinstance(node, ast.BinOp):
        return _annotation(frame, node.left) | _annotation(frame, node.right)
    return evaluate(frame, node)


def _mark(decorator: ast.expr) -> str:
    name = decorator.attr if isinstance(decorator, ast.Attribute) else None
    if isinstance(decorator, ast.Name):
        name = decorator.id
    return "property" if name == "cached_property" else name or ""


def _defaults(frame: Frame, function: Function, arguments: ast.arguments) -> None:
    positional = [*arguments.posonlyargs, *arguments.args]
    with_default = positional[len(positional) - len(arguments.defaults) :]
    pairs = [*zip(with_default, arguments.defaults, strict=True)]
    pairs += [
        (argument, default)
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if default is not None
    ]
    for argument, default in pairs:
        frame.program.join(function, argument.arg, evaluate(frame, default))


def _decorated(frame: Frame, decorators: list[ast.expr], values: Values) -> Values:
    for decorator in reversed(decorators):
        found = NOTHING
        for callee in ordered(evaluate(frame, decorator)):
            arguments = Arguments((values,))
            result = call(frame, callee, arguments, frame.site(decorator))
            if not isinstance(callee, Function):
                # What a library makes of a function is called as the function is.
                result = values.union(each for each in result if isinstance(each, _CALLABLE))
            found |= result
        values = found
    return values


def define_class(frame: Frame, node: ast.ClassDef, run: Run) -> None:
    """Define a class, run its body, and make endpoints of it if it is a view."""
    kind = Class(frame.site(node))
    program = frame.program
    program.define(kind, Code(node, frame.module, frame.scopes))
    for base in node.bases:
        program.join(kind, BASES, evaluate(frame, base))
    inside = Frame(program, frame.module, (kind, *frame.scopes), frame.function, frame.escapes)
    run(inside, node.body)
    serve_class(program, kind)
    frame.bind(node.name, _decorated(frame, node.decorator_list, frozenset({kind})))


def import_(frame: Frame, node: Import) -> None:
    """Bind what is imported: the service's own modules, or something of a library."""
    if isinstance(node, ast.ImportFrom):
        _import_from(frame, node)
        return
    for alias in node.names:
        top = alias.name.partition(".")[0]
        if _module(frame, top) is None:
            frame.program.libraries[top] = None
        name = alias.name if alias.asname else top
        found = _module(frame, name)
        _module(frame, alias.name)
        frame.bind(alias.asname or top, frozenset({found or Library(name)}))


def _import_from(frame: Frame, node: ast.ImportFrom) -> None:
    name = node.module or ""
    source = _module(frame, name, node.level)
    if source is None and not node.level:
        frame.program.libraries[name.partition(".")[0]] = None
    for alias in node.names:
        if alias.name == "*":
            _import_all(frame, source)
            continue
        found: Values = frozenset({Library(f"{name or '?'}.{alias.name}")})
        if source is not None:
            found = attribute(frame.program, source, alias.name)
        elif not node.level:
            found = attribute(frame.program, Library(name), alias.name)
        frame.bind(alias.asname or alias.name, found)


def _import_all(frame: Frame, source: Module | None) -> None:
    if source is None:
        return
    scope = frame.scopes[0]
    for name in sorted(frame.program.names[source]):
        if not name.startswith("_"):
            frame.program.declare(scope, name)
            frame.program.join(scope, name, frame.program.get(source, name))


def _module(frame: Frame, name: str, level: int = 0) -> Module | None:
    importer = frame.program.modules[frame.module]
    # Within a package's directory without __init__.py, names are looked up in the directory.
    place = importer / "_.py" if importer.is_dir() else importer
    found: Path | None = frame.program.sources.resolve(place, name, level)
    return None if found is None else frame.program.module(found)
