"""What an expression may be."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

from metaapps.filibuster.analyze import libraries
from metaapps.filibuster.analyze.attributes import (
    ANY_KEY,
    KEYS,
    STATUS,
    answer_base,
    attribute,
    element,
    elements,
    put,
)
from metaapps.filibuster.analyze.calls import call
from metaapps.filibuster.analyze.frame import Frame
from metaapps.filibuster.analyze.program import Code
from metaapps.filibuster.analyze.values import (
    ANYTHING,
    NOTHING,
    Arguments,
    Class,
    Constant,
    Effect,
    Function,
    Group,
    Library,
    Module,
    Object,
    Super,
    Value,
    Values,
    ordered,
)

_SUPER: Final = Library("builtins.super")


def evaluate(frame: Frame, node: ast.expr) -> Values:
    """Return what an expression may be, following the calls in it."""
    rule = _RULES.get(type(node))
    if rule is not None:
        return rule(frame, node)
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr):
            evaluate(frame, child)
    return ANYTHING


def assign(frame: Frame, target: ast.expr, values: Values) -> None:
    """Bind a target: a name, an attribute, an element, or several in a tuple."""
    if isinstance(target, ast.Name):
        frame.bind(target.id, values)
    elif isinstance(target, ast.Starred):
        assign(frame, target.value, ANYTHING)
    elif isinstance(target, ast.Tuple | ast.List):
        _unpack(frame, target.elts, values)
    elif isinstance(target, ast.Attribute):
        for owner in evaluate(frame, target.value):
            _set_attribute(frame, owner, target, values)
    elif isinstance(target, ast.Subscript):
        keys = evaluate(frame, target.slice)
        for owner in evaluate(frame, target.value):
            if isinstance(owner, Group):
                put(frame.program, owner, keys, values)


def _unpack(frame: Frame, targets: list[ast.expr], values: Values) -> None:
    for position, target in enumerate(targets):
        found = NOTHING
        for value in values:
            if not isinstance(value, Group):
                found |= ANYTHING
            elif value.size in (-1, len(targets)):
                found |= element(frame.program, value, frozenset({Constant(position)}))
        assign(frame, target, found)


def _set_attribute(frame: Frame, owner: Value, target: ast.Attribute, values: Values) -> None:
    program, name = frame.program, target.attr
    if isinstance(owner, Class | Module):
        program.declare(owner, name)
        program.join(owner, name, values)
    if not isinstance(owner, Object):
        return
    base = answer_base(program, owner.kind)
    if base is None or name not in libraries.status_attributes(base):
        program.join(owner, name, values)
        return
    program.join(owner, STATUS, values)
    for value in values:
        program.places.setdefault((owner, value), frame.site(target))


def arguments_of(frame: Frame, node: ast.Call) -> Arguments:
    """Evaluate the arguments of a call."""
    positional = [each for each in node.args if not isinstance(each, ast.Starred)]
    keywords = {each.arg: evaluate(frame, each.value) for each in node.keywords if each.arg}
    starred = len(positional) != len(node.args)
    for more in node.keywords:
        if more.arg is None:
            starred |= _expand(frame, evaluate(frame, more.value), keywords)
    for each in node.args:
        if isinstance(each, ast.Starred):
            evaluate(frame, each.value)
    return Arguments(
        tuple(evaluate(frame, each) for each in positional),
        tuple(keywords.items()),
        starred,
    )


def _expand(frame: Frame, values: Values, keywords: dict[str, Values]) -> bool:
    """Add the keyword arguments that `**` stands for; tell whether there may be others."""
    for value in values:
        known = frame.program.get(value, KEYS) if isinstance(value, Group) else NOTHING
        names = [each.value for each in known if isinstance(each, Constant)]
        for name in (name for name in names if isinstance(name, str)):
            found = frame.program.get(value, Constant(name))
            keywords[name] = keywords.get(name, NOTHING) | found
    return any(
        not isinstance(value, Group) or bool(frame.program.get(value, ANY_KEY)) for value in values
    )


def _call(frame: Frame, node: ast.Call) -> Values:
    callees = evaluate(frame, node.func)
    if callees == {_SUPER}:
        return _super(frame)
    if isinstance(node.func, ast.Name) and node.func.id == "start_response" and node.args:
        _start_response(frame, node)
    arguments = arguments_of(frame, node)
    found = NOTHING
    for callee in ordered(callees):
        found |= call(frame, callee, arguments, frame.site(node))
    return found


def _start_response(frame: Frame, node: ast.Call) -> None:
    """Follow WSGI's way to give a status."""
    if frame.function is None:
        return
    for value in evaluate(frame, node.args[0]):
        effect = Effect(value, frame.site(node))
        frame.program.effects[frame.function][effect] = None


def _super(frame: Frame) -> Values:
    code = frame.program.code[frame.function] if frame.function is not None else None
    if code is None or code.owner is None or not code.parameters:
        return ANYTHING
    receivers = frame.program.get(frame.function, code.parameters[0].arg)
    return frozenset(Super(each, code.owner) for each in receivers if isinstance(each, Object))


def _constant(_: Frame, node: ast.Constant) -> Values:
    value = node.value
    if value is None or isinstance(value, int | str):
        return frozenset({Constant(value)})
    return ANYTHING


def _name(frame: Frame, node: ast.Name) -> Values:
    return frame.lookup(node.id)


def _attribute(frame: Frame, node: ast.Attribute) -> Values:
    found = NOTHING
    for value in evaluate(frame, node.value):
        found |= attribute(frame.program, value, node.attr)
    return found


def _tuple(frame: Frame, node: ast.Tuple) -> Values:
    if any(isinstance(each, ast.Starred) for each in node.elts):
        return _list(frame, node)
    group = Group(frame.site(node), len(node.elts))
    for position, each in enumerate(node.elts):
        put(frame.program, group, frozenset({Constant(position)}), evaluate(frame, each))
    return frozenset({group})


def _list(frame: Frame, node: ast.Tuple | ast.List | ast.Set) -> Values:
    group = Group(frame.site(node))
    for each in node.elts:
        put(frame.program, group, None, evaluate(frame, each))
    return frozenset({group})


def _dictionary(frame: Frame, node: ast.Dict) -> Values:
    group = Group(frame.site(node))
    for key, value in zip(node.keys, node.values, strict=True):
        keys = None if key is None else evaluate(frame, key)
        put(frame.program, group, keys, evaluate(frame, value))
    return frozenset({group})


def _subscript(frame: Frame, node: ast.Subscript) -> Values:
    keys = evaluate(frame, node.slice)
    found = NOTHING
    for value in evaluate(frame, node.value):
        inside = element(frame.program, value, keys) if isinstance(value, Group) else ANYTHING
        found |= inside
    return found


def _either(frame: Frame, node: ast.IfExp) -> Values:
    evaluate(frame, node.test)
    return evaluate(frame, node.body) | evaluate(frame, node.orelse)


def _any_of(frame: Frame, node: ast.BoolOp) -> Values:
    return NOTHING.union(*(evaluate(frame, each) for each in node.values))


def _named(frame: Frame, node: ast.NamedExpr) -> Values:
    values = evaluate(frame, node.value)
    assign(frame, node.target, values)
    return values


def _inner(frame: Frame, node: ast.Await | ast.Starred) -> Values:
    return evaluate(frame, node.value)


_ARITHMETIC: Final[Mapping[type[ast.operator], Callable[[int, int], int]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
}


def _arithmetic(frame: Frame, node: ast.BinOp) -> Values:
    left, right = evaluate(frame, node.left), evaluate(frame, node.right)
    work = _ARITHMETIC.get(type(node.op))
    numbers = [_numbers(left), _numbers(right)]
    if work is None or not all(numbers):
        return ANYTHING
    return frozenset(Constant(work(a, b)) for a in numbers[0] for b in numbers[1])


def _numbers(values: Values) -> list[int]:
    found = [each.value for each in values if isinstance(each, Constant)]
    numbers = [each for each in found if isinstance(each, int) and abs(each) < 1000]
    return numbers if len(numbers) == len(values) else []


def _lambda(frame: Frame, node: ast.Lambda) -> Values:
    function = Function(frame.site(node))
    frame.program.define(function, Code(node, frame.module, frame.scopes))
    return frozenset({function})


def _comprehension(frame: Frame, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> Values:
    _generators(frame, node.generators)
    group = Group(frame.site(node))
    frame.program.join(group, ANY_KEY, evaluate(frame, node.elt))
    return frozenset({group})


def _dictionary_comprehension(frame: Frame, node: ast.DictComp) -> Values:
    _generators(frame, node.generators)
    group = Group(frame.site(node))
    evaluate(frame, node.key)
    frame.program.join(group, ANY_KEY, evaluate(frame, node.value))
    return frozenset({group})


def _generators(frame: Frame, generators: list[ast.comprehension]) -> None:
    for generator in generators:
        assign(frame, generator.target, each_of(frame, evaluate(frame, generator.iter)))
        for condition in generator.ifs:
            evaluate(frame, condition)


def each_of(frame: Frame, values: Values) -> Values:
    """Return what iterating over values may give."""
    found = NOTHING
    for value in values:
        found |= elements(frame.program, value) if isinstance(value, Group) else ANYTHING
    return found


_RULES: Final[Mapping[type[ast.expr], Callable[[Frame, Any], Values]]] = {
    ast.Attribute: _attribute,
    ast.Await: _inner,
    ast.BinOp: _arithmetic,
    ast.BoolOp: _any_of,
    ast.Call: _call,
    ast.Constant: _constant,
    ast.Dict: _dictionary,
    ast.DictComp: _dictionary_comprehension,
    ast.GeneratorExp: _comprehension,
    ast.IfExp: _either,
    ast.Lambda: _lambda,
    ast.List: _list,
    ast.ListComp: _comprehension,
    ast.Name: _name,
    ast.NamedExpr: _named,
    ast.Set: _list,
    ast.SetComp: _comprehension,
    ast.Starred: _inner,
    ast.Subscript: _subscript,
    ast.Tuple: _tuple,
}
