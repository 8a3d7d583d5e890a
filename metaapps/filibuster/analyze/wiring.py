"""Which functions a framework calls, and with what: views, hooks, error handlers, RPCs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from metaapps.filibuster.analyze import libraries
from metaapps.filibuster.analyze.attributes import attribute, lineage
from metaapps.filibuster.analyze.frame import Frame
from metaapps.filibuster.analyze.program import (
    Endpoint,
    OnError,
    Program,
    all_parameters,
)
from metaapps.filibuster.analyze.values import (
    ANYTHING,
    Arguments,
    Class,
    Effect,
    Function,
    Group,
    Library,
    Method,
    Object,
    Site,
    Value,
    Values,
)

_CAUGHT: Final = "<caught>"
_RPC_CONTEXT: Final = 2


def wire(frame: Frame, callee: Library, arguments: Arguments, site: Site) -> Values | None:
    """Follow a call that makes a function an endpoint. None: this call isn't one."""
    program, name = frame.program, callee.name
    functions = callables(arguments.every())
    if name in libraries.ADD_ON_ERROR:
        add_on_error(program, callee.root, arguments.get(0, "code_or_exception"), functions)
        return ANYTHING
    if name in libraries.ON_ERROR and not functions:
        decorator = Object(Library(f"{callee.path}()"), site)
        for values in (*arguments.positional, *(each for _, each in arguments.keywords)):
            program.join(decorator, _CAUGHT, values)
        return frozenset({decorator})
    if not functions or not _wires(callee):
        return None
    for function in functions:
        returns = name not in libraries.DEPENDENCIES
        serve(program, function, Endpoint(plain(function), callee.root, returns))
        if name in libraries.AFTER:
            _give(program, function, 0, Object(Library("flask.Response"), plain(function).site))
    return frozenset(functions)


def _wires(callee: Library) -> bool:
    if callee.name in libraries.BY_CALL:
        return callee.root in libraries.FRAMEWORKS or callee.path.endswith("()")
    return callee.name in libraries.BEFORE | libraries.AFTER | libraries.DEPENDENCIES


def decorate_on_error(program: Program, decorator: Object, arguments: Arguments) -> Values | None:
    """Follow a call of what `errorhandler(…)` gave. None: this is another object."""
    if not isinstance(decorator.kind, Library) or decorator.kind.name not in libraries.ON_ERROR:
        return None
    functions = callables(arguments.every())
    caught = program.get(decorator, _CAUGHT)
    add_on_error(program, decorator.kind.root, caught, functions)
    return frozenset(functions)


def add_on_error(
    program: Program, library: str, kinds: Values | None, functions: Iterable[Function | Method]
) -> None:
    """Let functions answer for exceptions."""
    for function in functions:
        serve(program, function, Endpoint(plain(function), library))
        for kind in flattened(program, kinds or ANYTHING):
            program.add(program.on_error, OnError(kind, plain(function)))


def flattened(program: Program, values: Values) -> list[Value]:
    """Return values with tuples of them taken apart, in a stable order."""
    found: dict[Value, None] = {}
    for value in sorted(values, key=str):
        if isinstance(value, Group):
            keys = (program.get(value, name) for name in program.attributes(value))
            found.update(dict.fromkeys(flattened(program, frozenset().union(*keys))))
        else:
            found[value] = None
    return list(found)


def serve(program: Program, called: Function | Method, endpoint: Endpoint) -> None:
    """Make a function an endpoint, with arguments of which only the kind is known."""
    program.add(program.endpoints, endpoint)
    program.add(program.live, endpoint.function)
    code = program.code[endpoint.function]
    given = 0
    if isinstance(called, Method) and code.parameters:
        _give(program, endpoint.function, 0, called.receiver)
        given = 1
    for argument in list(all_parameters(code.node))[given:]:
        kinds = program.get(endpoint.function, f"<annotation {argument.arg}>")
        injected = [
            kind for kind in kinds if isinstance(kind, Library) and libraries.is_response(kind)
        ]
        for kind in injected:
            answer = Object(kind, endpoint.function.site)
            program.join(endpoint.function, argument.arg, {answer})
            effect = Effect(answer, endpoint.function.site)
            program.add(program.effects[endpoint.function], effect)
        if not injected:
            program.join(endpoint.function, argument.arg, ANYTHING)


def _give(program: Program, called: Function | Method, position: int, value: Value) -> None:
    function = plain(called)
    parameters = program.code[function].parameters
    position += isinstance(called, Method)
    if position < len(parameters):
        program.join(function, parameters[position].arg, {value})


def callables(values: Values) -> list[Function | Method]:
    """Return the service's own functions among values, in a stable order."""
    found = [
        value
        for value in values
        if isinstance(value, Function)
        or (isinstance(value, Method) and isinstance(value.function, Function))
    ]
    return sorted(found, key=str)


def plain(called: Function | Method) -> Function:
    """Return the function of a method."""
    function = called.function if isinstance(called, Method) else called
    assert isinstance(function, Function)
    return function


def serve_class(program: Program, kind: Class) -> None:
    """Make endpoints of the methods of a view class, or of the implementation of a gRPC service."""
    bases = lineage(program, kind)[1:]
    views = [
        base
        for base in bases
        if isinstance(base, Library)
        and base.name in libraries.VIEWS
        and base.root in libraries.FRAMEWORKS
    ]
    receiver = Object(kind, kind.site)
    for name in _methods(program, kind):
        for method in callables(attribute(program, receiver, name)):
            if views and libraries.VIEW_METHOD.fullmatch(name):
                serve(program, method, Endpoint(plain(method), views[0].root))
            elif any(_is_servicer(program, base) for base in bases) and name[0] != "_":
                serve(program, method, Endpoint(plain(method), "grpc"))
                context = Object(libraries.CONTEXT, kind.site)
                _give(program, method, _RPC_CONTEXT - isinstance(method, Method), context)


def _methods(program: Program, kind: Class) -> list[str]:
    own = (program.names[base] for base in lineage(program, kind) if isinstance(base, Class))
    return sorted(set().union(*own))


def _is_servicer(program: Program, base: Class | Library) -> bool:
    if isinstance(base, Library):
        return libraries.is_servicer(base)
    return getattr(program.code[base].node, "name", "").endswith("Servicer")
