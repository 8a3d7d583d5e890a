"""What statements do: bind names, return, raise and catch.

Statements that can't be reached are not followed; whether a condition holds is not asked.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from metaapps.filibuster.analyze.attributes import is_subclass, statuses
from metaapps.filibuster.analyze.calls import call
from metaapps.filibuster.analyze.definitions import define_class, define_function, import_
from metaapps.filibuster.analyze.expressions import arguments_of, assign, each_of, evaluate
from metaapps.filibuster.analyze.frame import Frame
from metaapps.filibuster.analyze.values import (
    ANYTHING,
    NOTHING,
    UNKNOWN,
    Arguments,
    Class,
    Constant,
    Escape,
    Library,
    Object,
    Site,
    Value,
    Values,
    ordered,
)
from metaapps.filibuster.analyze.wiring import flattened

_EVERYTHING: Final[Values] = frozenset({Library("builtins.BaseException")})
_SUPPRESS: Final = Library("contextlib.suppress")
_NEVER: Final = frozenset({Constant(False), Constant(0), Constant(None)})
_TYPE_CHECKING: Final = Library("typing.TYPE_CHECKING")


def run(frame: Frame, statements: list[ast.stmt]) -> bool:
    """Follow statements; tell whether what comes after them can be reached."""
    for statement in statements:
        rule = _RULES.get(type(statement))
        if rule is not None and rule(frame, statement) is False:
            return False
    return True


def _expression(frame: Frame, node: ast.Expr) -> bool:
    # A call that gives nothing, not even None, doesn't come back.
    if evaluate(frame, node.value) or not isinstance(node.value, ast.Call):
        return True
    return not evaluate(frame, node.value.func)


def _assignment(frame: Frame, node: ast.Assign) -> None:
    values = evaluate(frame, node.value)
    for target in node.targets:
        assign(frame, target, values)


def _annotated(frame: Frame, node: ast.AnnAssign) -> None:
    if node.value is not None:
        assign(frame, node.target, evaluate(frame, node.value))


def _augmented(frame: Frame, node: ast.AugAssign) -> None:
    left: ast.expr = node.target
    if isinstance(left, ast.Name):
        left = ast.copy_location(ast.Name(left.id, ast.Load()), left)
        whole = ast.copy_location(ast.BinOp(left, node.op, node.value), node)
        assign(frame, node.target, evaluate(frame, whole))
    else:
        evaluate(frame, node.value)


def _return(frame: Frame, node: ast.Return) -> bool:
    values: Values = frozenset({Constant(None)})
    if node.value is not None:
        values = evaluate(frame, node.value)
    if frame.function is not None:
        frame.program.join(frame.function, "<returns>", values)
        for value in values:
            frame.program.places.setdefault((frame.function, value), frame.site(node))
    return False


def _raise(frame: Frame, node: ast.Raise) -> bool:
    if node.exc is None:
        frame.escapes.update(dict.fromkeys(frame.handling))
        return False
    site = frame.site(node)
    for value in ordered(evaluate(frame, node.exc)):
        for raised in _raised(frame, value, site):
            frame.escapes[Escape(raised, site)] = None
            if raised == UNKNOWN:
                frame.note(site, "raises what isn't known until it runs")
    if node.cause is not None:
        evaluate(frame, node.cause)
    return False


def _raised(frame: Frame, value: Value, site: Site) -> Iterable[Value]:
    """Return what is really raised: an instance, where a class is named."""
    if isinstance(value, Class):
        return call(frame, value, Arguments(), site)
    if isinstance(value, Library):
        return (Object(Library(value.path.removesuffix("()")), site),)
    return (value,) if isinstance(value, Object) else (UNKNOWN,)


def _if(frame: Frame, node: ast.If | ast.While) -> bool:
    test = evaluate(frame, node.test)
    # A variable is false for good if nothing else is ever assigned to it.
    never = isinstance(node.test, ast.Constant | ast.Name) and test <= _NEVER
    if never or test == {_TYPE_CHECKING}:
        return run(frame, node.orelse)
    through = run(frame, node.body)
    return run(frame, node.orelse) or through or isinstance(node, ast.While)


def _for(frame: Frame, node: ast.For | ast.AsyncFor) -> None:
    assign(frame, node.target, each_of(frame, evaluate(frame, node.iter)))
    run(frame, node.body)
    run(frame, node.orelse)


def _match(frame: Frame, node: ast.Match) -> None:
    values = evaluate(frame, node.subject)
    for case in node.cases:
        for pattern in ast.walk(case.pattern):
            if isinstance(pattern, ast.MatchAs | ast.MatchStar) and pattern.name:
                frame.bind(pattern.name, ANYTHING if pattern is not case.pattern else values)
            elif isinstance(pattern, ast.MatchMapping) and pattern.rest:
                frame.bind(pattern.rest, ANYTHING)
        run(frame, case.body)


def _with(frame: Frame, node: ast.With | ast.AsyncWith) -> bool:
    suppressed: list[Value] = []
    for item in node.items:
        expression = item.context_expr
        values = evaluate(frame, expression)
        if isinstance(expression, ast.Call) and _SUPPRESS in evaluate(frame, expression.func):
            given = arguments_of(frame, expression).positional
            suppressed += flattened(frame.program, NOTHING.union(*given))
        if item.optional_vars is not None:
            known = all(isinstance(value, Object) for value in values)
            assign(frame, item.optional_vars, values if known else ANYTHING)
    if not suppressed:
        return run(frame, node.body)
    inside = frame.catching()
    run(inside, node.body)
    caught = _caught(frame, inside.escapes, suppressed)
    frame.escapes.update((each, None) for each in inside.escapes if each not in caught)
    return True


def _try(frame: Frame, node: ast.Try | ast.TryStar) -> bool:
    inside, whole = frame.catching(), frame.catching()
    through = run(inside, node.body)
    remaining = dict(inside.escapes)
    ends = []
    for handler in node.handlers:
        kinds = _EVERYTHING if handler.type is None else evaluate(frame, handler.type)
        flat = flattened(frame.program, kinds)
        caught = _caught(frame, remaining, flat)
        for each in caught:
            del remaining[each]
        ends.append(_handle(whole, handler, flat, caught))
    through = run(whole, node.orelse) if through else False
    if not run(frame, node.finalbody):
        # Leaving by `finally` drops what was raised before.
        return False
    frame.escapes.update({**remaining, **whole.escapes})
    return through or any(ends)


def _caught(frame: Frame, escapes: Iterable[Escape], kinds: list[Value]) -> list[Escape]:
    """Return what is surely caught by one of the classes."""
    classes = [kind for kind in kinds if isinstance(kind, Class | Library)]
    return [each for each in escapes if any(_catches(frame, kind, each) for kind in classes)]


def _catches(frame: Frame, kind: Class | Library, escape: Escape) -> bool:
    if isinstance(escape.value, Object):
        return is_subclass(frame.program, escape.value.kind, kind)
    return kind in (Library("builtins.Exception"), Library("builtins.BaseException"))


def _handle(
    frame: Frame, handler: ast.ExceptHandler, kinds: list[Value], caught: list[Escape]
) -> bool:
    """Follow a handler. Libraries may raise what it catches, so that it is always reached."""
    site = frame.site(handler)
    others = _from_elsewhere(frame, kinds, site, nothing=not caught)
    if handler.name:
        known = {each.value for each in caught}
        frame.bind(handler.name, frozenset({*known, *others}))
    again = [Escape(each, site) for each in others if statuses(frame.program, each)]
    return run(replace(frame, handling=(*caught, *again)), handler.body)


def _from_elsewhere(frame: Frame, kinds: list[Value], site: Site, *, nothing: bool) -> list[Object]:
    """Return what may be caught beyond what was seen raised.

    Libraries raise their own exceptions. The service's own are raised where that is seen, unless
    nothing is, after everything was followed.
    """
    unseen = nothing and frame.program.settled
    return [
        Object(kind, site)
        for kind in kinds
        if isinstance(kind, Library) or (isinstance(kind, Class) and unseen)
    ]


def _class(frame: Frame, node: ast.ClassDef) -> None:
    define_class(frame, node, run)


def _assert(frame: Frame, node: ast.Assert) -> None:
    evaluate(frame, node.test)


def _stop(_: Frame, __: ast.stmt) -> bool:
    return False


_RULES: Final[Mapping[type[ast.stmt], Callable[[Frame, Any], bool | None]]] = {
    ast.AnnAssign: _annotated,
    ast.Assert: _assert,
    ast.Assign: _assignment,
    ast.AsyncFor: _for,
    ast.AsyncFunctionDef: define_function,
    ast.AsyncWith: _with,
    ast.AugAssign: _augmented,
    ast.Break: _stop,
    ast.ClassDef: _class,
    ast.Continue: _stop,
    ast.Expr: _expression,
    ast.For: _for,
    ast.FunctionDef: define_function,
    ast.If: _if,
    ast.Import: import_,
    ast.ImportFrom: import_,
    ast.Match: _match,
    ast.Raise: _raise,
    ast.Return: _return,
    ast.Try: _try,
    ast.TryStar: _try,
    ast.While: _if,
    ast.With: _with,
}
