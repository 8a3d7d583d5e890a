"""What comes of a call: of the service's own functions and classes, and of libraries'."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Final

from metaapps.filibuster.analyze import libraries
from metaapps.filibuster.analyze.attributes import (
    ANY_KEY,
    GIVEN,
    STATUS,
    answer_base,
    attribute,
    called,
    codes,
    element,
    library_bases,
    put,
    statuses,
)
from metaapps.filibuster.analyze.frame import Frame
from metaapps.filibuster.analyze.program import Program, all_parameters
from metaapps.filibuster.analyze.values import (
    ANYTHING,
    NOTHING,
    Arguments,
    Class,
    Constant,
    Effect,
    Escape,
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
from metaapps.filibuster.analyze.wiring import callables, decorate_on_error, plain, wire

_OPEN: Final = Arguments(open=True)
_UNKNOWN_STATUS: Final = "answers with a status that isn't known until it runs"


def call(frame: Frame, callee: Value, arguments: Arguments, site: Site) -> Values:
    """Return what a call may give; what it may raise goes to the frame."""
    if isinstance(callee, Function):
        return _function(frame, callee, arguments)
    if isinstance(callee, Method):
        return _method(frame, callee, arguments, site)
    if isinstance(callee, Class):
        return _class(frame, callee, arguments, site)
    if isinstance(callee, Library):
        return _library(frame, callee, arguments, site)
    if isinstance(callee, Object):
        return _object(frame, callee, arguments, site)
    return ANYTHING | _called_back(frame, arguments, site)


def _function(
    frame: Frame, function: Function, arguments: Arguments, receiver: Value | None = None
) -> Values:
    program = frame.program
    program.revive(function)
    if frame.function is not None:
        program.calls[frame.function][function] = None
    _bind(program, function, arguments, receiver)
    frame.escapes.update(dict.fromkeys(program.raised_by(function)))
    return program.get(function, "<returns>")


def _bind(
    program: Program, function: Function, arguments: Arguments, receiver: Value | None = None
) -> None:
    node = program.code[function].node
    first = () if receiver is None else (frozenset({receiver}),)
    named = dict(arguments.keywords)
    places = [argument.arg for argument in program.code[function].parameters]
    given = dict(zip(places, (*first, *arguments.positional), strict=False)) | named
    for argument in all_parameters(node):
        if argument.arg in given:
            program.join(function, argument.arg, given[argument.arg])
        elif arguments.open or argument in (_extra(node)):
            program.join(function, argument.arg, ANYTHING)


def _extra(node: ast.AST) -> tuple[ast.arg | None, ...]:
    arguments = getattr(node, "args", None)
    return () if arguments is None else (arguments.vararg, arguments.kwarg)


def _class(frame: Frame, kind: Class, arguments: Arguments, site: Site) -> Values:
    made = Object(kind, site)
    found = attribute(frame.program, made, "__init__")
    initializers = [each for each in found if isinstance(each, Method)]
    for initializer in initializers:
        _method(frame, initializer, arguments, site)
    if not initializers:
        _fields(frame.program, made, arguments)
    return frozenset({made})


def _fields(program: Program, made: Object, arguments: Arguments) -> None:
    """Keep what a dataclass, or anything that is made like one, is made with."""
    if not isinstance(made.kind, Class):
        return
    body = getattr(program.code[made.kind].node, "body", [])
    names = [
        statement.target.id
        for statement in body
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
    ]
    given = dict(zip(names, arguments.positional, strict=False)) | dict(arguments.keywords)
    for name, values in given.items():
        program.join(made, name, values)
        program.join(made, GIVEN, {Constant(name)})


def _object(frame: Frame, callee: Object, arguments: Arguments, site: Site) -> Values:
    wired = decorate_on_error(frame.program, callee, arguments)
    if wired is not None:
        return wired
    found = ANYTHING
    if isinstance(callee.kind, Class):
        for method in attribute(frame.program, callee, "__call__"):
            if isinstance(method, Method):
                found = _method(frame, method, arguments, site)
    return found


def _method(frame: Frame, method: Method, arguments: Arguments, site: Site) -> Values:
    function, receiver = method.function, method.receiver
    if isinstance(function, Function):
        return _function(frame, function, arguments, receiver)
    if isinstance(receiver, Group):
        return _collection(frame.program, function.name, receiver, arguments)
    if function.name == "__init__" and isinstance(receiver, Object):
        return initialize(frame.program, function, receiver, arguments, site)
    if isinstance(receiver, Object) and _answers_itself(frame, function, receiver, arguments, site):
        return ANYTHING if function.name in ("set_code", *libraries.ANSWERING) else NOTHING
    return _library(frame, function, arguments, site)


def initialize(
    program: Program, initializer: Library, made: Object, arguments: Arguments, site: Site
) -> Values:
    """Follow the constructor of a library's class, as far as a status goes into it."""
    kind = Library(initializer.path.removesuffix(".__init__"))
    if not libraries.answers(kind):
        _fields(program, made, arguments)
        return ANYTHING
    position, names = libraries.status_argument(kind)
    given = arguments.get(position, *names)
    _set_status(program, made, given or NOTHING, site)
    for answer in arguments.get(-1, "response") or NOTHING:
        if isinstance(answer, Object):
            _set_status(program, made, statuses(program, answer), site)
    return ANYTHING


def _set_status(program: Program, answer: Object, values: Values, site: Site) -> None:
    program.join(answer, STATUS, values)
    for value in values:
        program.places.setdefault((answer, value), site)


def _answers_itself(
    frame: Frame, function: Library, receiver: Object, arguments: Arguments, site: Site
) -> bool:
    """Follow a method that answers by a side effect: of gRPC's context, or of a view class."""
    rpc = receiver.kind == libraries.CONTEXT
    if rpc and function.name in ("abort", "set_code", "abort_with_status"):
        given = arguments.need(0, "code", "status")
        answers = {status for each in given for status in _grpc_status(frame.program, each)}
    elif function.name in libraries.ANSWERING and any(
        base.name in libraries.VIEWS for base in library_bases(frame.program, receiver.kind)
    ):
        answers = set(arguments.need(0, "code", "status_code"))
    else:
        return False
    if frame.function is not None:
        for answer in ordered(answers):
            frame.program.effects[frame.function][Effect(answer, site)] = None
    return True


def _grpc_status(program: Program, value: Value) -> Values:
    """Return the code in a `google.rpc` status, or the value itself."""
    return program.get(value, STATUS) if isinstance(value, Object) else frozenset({value})


def _collection(program: Program, name: str, group: Group, arguments: Arguments) -> Values:
    if name in ("get", "pop", "setdefault"):
        default = arguments.get(1, "default") or NOTHING
        return element(program, group, arguments.get(0) or NOTHING) | default
    if name in ("append", "add", "insert"):
        put(program, group, None, arguments.every())
    if name in ("copy", "values"):
        return frozenset({group})
    return ANYTHING


def _library(frame: Frame, callee: Library, arguments: Arguments, site: Site) -> Values:
    if callee.name in libraries.APPLICATIONS and callee.root in libraries.FRAMEWORKS:
        frame.program.applications.add(callee.root)
    for rule in _RULES:
        found = rule(frame, callee, arguments, site)
        if found is not None:
            return found
    result: set[Value] = {called(callee)}
    if callee.root not in libraries.CALLS_NOTHING_BACK:
        result |= _called_back(frame, arguments, site)
    if len(arguments.positional) == 1 and not arguments.keywords:
        # It may be a decorator, so that its result stands for what was decorated.
        result.update(
            value for value in arguments.positional[0] if isinstance(value, Function | Class)
        )
    return frozenset(result)


def _called_back(frame: Frame, arguments: Arguments, site: Site) -> Values:
    found = NOTHING
    for function in callables(arguments.every()):
        found |= call(frame, function, _OPEN, site)
    return found


def _aborting(frame: Frame, callee: Library, arguments: Arguments, site: Site) -> Values | None:
    if callee.name in libraries.NEVER_FOUND:
        _raise_status(frame, 404, site)
        return ANYTHING
    if not libraries.is_abort(callee):
        return None
    given = arguments.need(0, "code", "status", "http_status_code")
    for value in given:
        if isinstance(value, Object):
            frame.escapes[Escape(value, site)] = None
    found, unknown = codes(frozenset(value for value in given if not isinstance(value, Object)))
    for status in sorted(found):
        _raise_status(frame, status, site)
    if unknown:
        frame.note(site, _UNKNOWN_STATUS)
    return NOTHING


def _raise_status(frame: Frame, status: int, site: Site) -> None:
    raised = Object(libraries.exception_with(status), site)
    frame.program.join(raised, STATUS, {Constant(status)})
    frame.escapes[Escape(raised, site)] = None


def _making(frame: Frame, callee: Library, arguments: Arguments, site: Site) -> Values | None:
    """Follow `make_response(body, status)` and its kin."""
    if callee.name != "make_response" or callee.root not in libraries.FRAMEWORKS:
        return None
    made = Object(Library(f"{callee.root}.Response"), site)
    body = arguments.get(0) or NOTHING
    given = arguments.get(1) or NOTHING
    answers: set[Value] = {made}
    for value in body:
        if isinstance(value, Group) and value.size > 1:
            given |= frame.program.get(value, Constant(1))
        elif isinstance(value, Object) and answer_base(frame.program, value.kind):
            if given:
                _set_status(frame.program, value, given, site)
            answers.add(value)
    _set_status(frame.program, made, given, site)
    return frozenset(answers)


def _answer(frame: Frame, callee: Library, arguments: Arguments, site: Site) -> Values | None:
    if callee.path.endswith("rpc.status_pb2.Status"):
        made = Object(callee, site)
        frame.program.join(made, STATUS, arguments.need(0, "code"))
        return frozenset({made})
    if callee.path.endswith("rpc_status.to_status"):
        return arguments.need(0, "status")
    if not libraries.answers(callee):
        return None
    made = Object(callee, site)
    initialize(frame.program, callee, made, arguments, site)
    return frozenset({made})


_FIRST: Final = frozenset(
    {"builtins.int", "builtins.str", "builtins.tuple", "builtins.list", "builtins.dict"}
    | {"http.HTTPStatus", "copy.copy", "copy.deepcopy"}
    | {"asyncio.wait_for", "asyncio.shield", "asyncio.run", "asyncio.create_task"}
)


def _passing(frame: Frame, callee: Library, arguments: Arguments, site: Site) -> Values | None:
    """Follow calls that give what they are given."""
    if callee.path in _FIRST and arguments.positional:
        return arguments.positional[0]
    if callee.path in ("os.environ.get", "os.getenv"):
        return ANYTHING | (arguments.get(1, "default") or NOTHING)
    if callee.path == "typing.cast":
        return arguments.get(1, "val")
    if callee.path == "functools.partial" and arguments.positional:
        rest = Arguments(arguments.positional[1:], arguments.keywords, arguments.open)
        for function in callables(arguments.positional[0]):
            receiver = function.receiver if isinstance(function, Method) else None
            _bind(frame.program, plain(function), rest, receiver)
        return arguments.positional[0]
    if callee.path == "asyncio.gather":
        group = Group(site)
        frame.program.join(group, ANY_KEY, arguments.every())
        return frozenset({group})
    if callee.path == "builtins.getattr" and len(arguments.positional) > 1:
        return _getattr(frame, arguments)
    return None


def _getattr(frame: Frame, arguments: Arguments) -> Values:
    found = arguments.get(2) or NOTHING
    names = [each.value for each in arguments.positional[1] if isinstance(each, Constant)]
    for value in arguments.positional[0]:
        for name in names:
            found |= attribute(frame.program, value, str(name))
    return found if names else ANYTHING


_Rule = Callable[[Frame, Library, Arguments, Site], Values | None]
_RULES: Final[tuple[_Rule, ...]] = (_aborting, _making, _answer, wire, _passing)
