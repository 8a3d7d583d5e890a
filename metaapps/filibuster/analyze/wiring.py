"""Which functions a framework calls, and with what: views, hooks, error handlers, RPCs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from metaapps.filibuster.analyze import libraries
from metaapps.filibuster.analyze.attributes import STATUS, attribute, elements, lineage
from metaapps.filibuster.analyze.frame import Frame
from metaapps.filibuster.analyze.program import (
    Endpoint,
    OnError,
    Program,
    all_parameters,
)
from metaapps.filibuster.analyze.values import (
    ANYTHING,
    NOTHING,
    UNKNOWN,
    Arguments,
    Class,
    Constant,
    Effect,
    Function,
    Group,
    Library,
    Method,
    Object,
    Site,
    Value,
    Values,
    ordered,
)

_CAUGHT: Final = "<caught>"
_RPC_CONTEXT: Final = 2
_WSGI: Final = ("environ", "start_response")


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
    if not functions:
        return None
    if name in libraries.RPC_HANDLERS and callee.root == "grpc":
        return _handle_rpcs(program, functions)
    if not _wires(callee):
        return None
    if name in libraries.DEPENDENCIES:
        return _depend(program, callee, functions)
    return _view(program, callee, functions)


def _view(program: Program, callee: Library, functions: list[Function | Method]) -> Values:
    """Follow what makes views of functions, as a route's decorator does, or hooks."""
    for function in functions:
        serve(program, function, Endpoint(plain(function), callee.root))
        if callee.name in libraries.AFTER:
            _give(program, function, 0, Object(Library("flask.Response"), plain(function).site))
    return frozenset(functions)


def _handle_rpcs(program: Program, functions: list[Function | Method]) -> Values:
    """Follow gRPC's own handlers, which call a behavior with the request and the context."""
    for function in functions:
        serve(program, function, Endpoint(plain(function), "grpc"))
        _give(program, function, 1, Object(libraries.CONTEXT, plain(function).site))
    return ANYTHING


def _depend(program: Program, callee: Library, functions: list[Function | Method]) -> Values:
    """Follow FastAPI's `Depends(function)`: what that returns is what the parameter gets."""
    found = NOTHING
    for function in functions:
        serve(program, function, Endpoint(plain(function), callee.root, returns=False))
        found |= program.get(plain(function), "<returns>")
    return found


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
    for called in functions:
        function = plain(called)
        serve(program, called, Endpoint(function, library), but_last=True)
        for kind in flattened(program, ANYTHING if kinds is None else kinds):
            program.on_error[OnError(kind, function)] = None
            _give_exception(program, function, kind)


def _give_exception(program: Program, function: Function, kind: Value) -> None:
    """Give an error handler anything of what it is for: frameworks raise some of it themselves."""
    if isinstance(kind, Class):
        # The service's own are raised where that is seen, unless nothing is.
        if program.settled and not _has_last(program, function):
            give_last(program, function, Object(kind, function.site))
    elif isinstance(kind, Library):
        give_last(program, function, Object(kind, function.site))
    elif isinstance(kind, Constant) and isinstance(kind.value, int):
        raised = Object(libraries.exception_with(kind.value), function.site)
        program.join(raised, STATUS, {kind})
        give_last(program, function, raised)
    else:
        give_last(program, function, UNKNOWN)


def _has_last(program: Program, function: Function) -> bool:
    parameters = program.code[function].parameters
    return bool(parameters and program.get(function, parameters[-1].arg))


def give_last(program: Program, function: Function, value: Value) -> None:
    """Give an error handler what it answers for: after the request, where it gets that too."""
    parameters = program.code[function].parameters
    if parameters:
        program.join(function, parameters[-1].arg, {value})


def flattened(program: Program, values: Values) -> list[Value]:
    """Return values with tuples of them taken apart, in a stable order."""
    found: dict[Value, None] = {}
    waiting = ordered(values)
    while waiting:
        value = waiting.pop(0)
        if value not in found:
            found[value] = None
            waiting += ordered(elements(program, value)) if isinstance(value, Group) else []
    return [value for value in found if not isinstance(value, Group)]


def serve(
    program: Program, called: Function | Method, endpoint: Endpoint, *, but_last: bool = False
) -> None:
    """Make a function an endpoint, with arguments of which only the kind is known."""
    program.endpoints[endpoint] = None
    program.revive(endpoint.function)
    code = program.code[endpoint.function]
    given = 0
    if isinstance(called, Method) and code.parameters:
        _give(program, endpoint.function, 0, called.receiver)
        given = 1
    parameters = list(all_parameters(code.node))[given:]
    for argument in parameters[:-1] if but_last else parameters:
        if not _inject(program, endpoint.function, argument.arg):
            program.join(endpoint.function, argument.arg, ANYTHING)


def _inject(program: Program, function: Function, name: str) -> bool:
    """Give a parameter what its annotation asks for; tell whether that is all it can be."""
    complete = False
    for kind in program.get(function, f"<annotation {name}>"):
        if isinstance(kind, Library) and libraries.is_response(kind):
            answer = Object(kind, function.site)
            program.join(function, name, {answer})
            program.effects[function][Effect(answer, function.site)] = None
            complete = True
        elif isinstance(kind, Class):
            program.join(function, name, {Object(kind, function.site)})
        elif isinstance(kind, Object):
            program.join(function, name, {kind})
    return complete


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
    return ordered(found)


def plain(called: Function | Method) -> Function:
    """Return the function of a method."""
    if isinstance(called, Function):
        return called
    if isinstance(called.function, Function):
        return called.function
    raise TypeError(f"{called!r} is a library's")


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


def serve_wsgi(program: Program, function: Function) -> None:
    """Make an endpoint of a function that takes what WSGI servers give."""
    code = program.code[function]
    names = [argument.arg for argument in code.parameters]
    if names[-2:] != [*_WSGI]:
        return
    if code.owner is not None and len(names) > len(_WSGI):
        receiver = Object(code.owner, code.owner.site)
        serve(program, Method(function, receiver), Endpoint(function, "wsgi", returns=False))
    else:
        serve(program, function, Endpoint(function, "wsgi", returns=False))


def _methods(program: Program, kind: Class) -> list[str]:
    own = (program.names[base] for base in lineage(program, kind) if isinstance(base, Class))
    return sorted(set().union(*own))


def _is_servicer(program: Program, base: Class | Library) -> bool:
    if isinstance(base, Library):
        return libraries.is_servicer(base)
    return getattr(program.code[base].node, "name", "").endswith("Servicer")
