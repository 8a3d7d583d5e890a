"""What is inside of values: attributes, elements, base classes, and the status of an answer."""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterator
from typing import Final

from metaapps.filibuster.analyze import libraries
from metaapps.filibuster.analyze.program import BASES, Program
from metaapps.filibuster.analyze.values import (
    ANYTHING,
    NOTHING,
    UNKNOWN,
    Class,
    Constant,
    Function,
    Group,
    Library,
    Method,
    Module,
    Object,
    Super,
    Value,
    Values,
    ordered,
)

STATUS: Final = "<status>"
"""Under which name an answer's status is kept, whatever its library calls it."""
ANY_KEY: Final = "<any>"
KEYS: Final = "<keys>"
GIVEN: Final = "<given>"
_LONGEST_PATH: Final = 6


def extended(library: Library, name: str) -> Value:
    """Return an attribute of something of a library; of a long chain nothing is known."""
    if library.path.count(".") > _LONGEST_PATH:
        return UNKNOWN
    path = f"{library.path}.{name}"
    status = libraries.number(path)
    return Library(path) if status is None else Constant(status)


def called(library: Library) -> Value:
    """Return what calling something of a library gives."""
    return UNKNOWN if library.path.endswith("()()") else Library(f"{library.path}()")


def lineage(program: Program, kind: Class | Library) -> list[Class | Library]:
    """Return a class and its bases, nearest first, each once."""
    if kind in program.lineages:
        return program.lineages[kind]
    found: dict[Class | Library, None] = {}
    waiting: list[Class | Library] = [kind]
    while waiting:
        each = waiting.pop(0)
        if each in found:
            continue
        found[each] = None
        bases = program.get(each, BASES)
        waiting += ordered(each for each in bases if isinstance(each, Class | Library))
    program.lineages[kind] = list(found)
    return program.lineages[kind]


def library_bases(program: Program, kind: Class | Library) -> Iterator[Library]:
    """Yield the classes of libraries among a class and its bases."""
    return (each for each in lineage(program, kind) if isinstance(each, Library))


def answer_base(program: Program, kind: Class | Library) -> Library | None:
    """Return the base class that makes an instance an answer with a status, if there is one."""
    bases = library_bases(program, kind)
    return next((base for base in bases if libraries.answers(base)), None)


def is_subclass(program: Program, kind: Class | Library, of: Class | Library) -> bool:
    """Tell whether an exception of the one class is surely caught as the other."""
    if kind == of or of in (Library("builtins.Exception"), Library("builtins.BaseException")):
        return True
    if isinstance(of, Class):
        return of in lineage(program, kind)
    return any(_same(base, of) for base in library_bases(program, kind))


def _same(kind: Library, of: Library) -> bool:
    if kind == of:
        return True
    if kind.root == "builtins" and of.root == "builtins":
        mine, other = (getattr(builtins, each.name, None) for each in (kind, of))
        return isinstance(mine, type) and isinstance(other, type) and issubclass(mine, other)
    if not libraries.is_http_exception(kind) or not libraries.is_http_exception(of):
        return False
    status = libraries.exception_status(of)
    return status is None or status == libraries.exception_status(kind)


def attribute(program: Program, value: Value, name: str) -> Values:
    """Return what an attribute of a value may be."""
    if isinstance(value, Library):
        return frozenset({extended(value, name)})
    if isinstance(value, Module):
        return _of_module(program, value, name)
    if isinstance(value, Class):
        return _of_class(program, value, name, value)
    if isinstance(value, Object):
        return _of_object(program, value, name)
    if isinstance(value, Super):
        return _of_super(program, value, name)
    if isinstance(value, Group):
        return frozenset({Method(Library(f"collection.{name}"), value)})
    if isinstance(value, Constant) and name in ("value", "real"):
        return frozenset({value})
    return ANYTHING


def _of_module(program: Program, module: Module, name: str) -> Values:
    if name in program.names[module]:
        return program.get(module, name)
    path = program.modules[module]
    directory = path.parent if path.name == "__init__.py" else path
    inside = program.sources.resolve(directory / "_.py", name, level=1)
    if inside is not None and (path.name == "__init__.py" or path.is_dir()):
        return frozenset({program.module(inside)})
    return ANYTHING


def _of_class(program: Program, kind: Class, name: str, receiver: Class | Object) -> Values:
    return _inherited(program, lineage(program, kind), name, receiver)


def _inherited(
    program: Program, bases: list[Class | Library], name: str, receiver: Class | Object
) -> Values:
    for base in bases:
        if isinstance(base, Class):
            if name in program.names[base]:
                return _bound(program, program.get(base, name), receiver)
        elif base.root != "builtins" or name == "__init__":
            found = extended(base, name)
            if isinstance(found, Library) and isinstance(receiver, Object):
                return frozenset({Method(found, receiver)})
            return frozenset({found})
        elif hasattr(getattr(builtins, base.name, None), name):
            return ANYTHING
    dynamic = any("__getattr__" in program.names[base] for base in bases if isinstance(base, Class))
    return ANYTHING if dynamic else NOTHING


def _bound(program: Program, values: Values, receiver: Class | Object) -> Values:
    """Give methods their first argument; read properties."""
    found: set[Value] = set()
    for value in values:
        marks = program.code[value].marks if isinstance(value, Function) else frozenset()
        if not isinstance(value, Function) or "staticmethod" in marks:
            found.add(value)
        elif isinstance(receiver, Object) and "property" in marks:
            program.join(value, program.code[value].parameters[0].arg, {receiver})
            program.revive(value)
            found |= program.get(value, "<returns>")
        elif isinstance(receiver, Object) or "classmethod" in marks:
            found.add(Method(value, receiver))
        else:
            found.add(value)
    return frozenset(found)


def _of_object(program: Program, value: Object, name: str) -> Values:
    base = answer_base(program, value.kind)
    if base is not None and name in libraries.status_attributes(base):
        # Without a status, what stands for anything of its class is a framework's own doing.
        return statuses(program, value)
    own = program.get(value, name)
    if Constant(name) in program.get(value, GIVEN):
        return own
    if isinstance(value.kind, Library):
        return own or frozenset({Method(Library(f"{value.kind.path}().{name}"), value)})
    inherited = _of_class(program, value.kind, name, value)
    return own | inherited if inherited != ANYTHING else own or inherited


def _of_super(program: Program, value: Super, name: str) -> Values:
    kinds = lineage(program, value.receiver.kind)
    after = kinds[kinds.index(value.below) + 1 :] if value.below in kinds else kinds[1:]
    return _inherited(program, after, name, value.receiver)


def statuses(program: Program, value: Object) -> Values:
    """Return the status that an answer or HTTP exception may have; nothing if it has none."""
    own = program.get(value, STATUS)
    base = answer_base(program, value.kind)
    if base is None or own:
        return own
    for kind in lineage(program, value.kind):
        if isinstance(kind, Class):
            for name in sorted(libraries.status_attributes(base) & program.names[kind]):
                return program.get(kind, name)
    status = libraries.fixed_status(base)
    return NOTHING if status is None else frozenset({Constant(status)})


def elements(program: Program, group: Group) -> Values:
    """Return what any element of a group may be."""
    found = program.get(group, ANY_KEY)
    for key in program.get(group, KEYS):
        found |= program.get(group, key)
    return found


def element(program: Program, group: Group, keys: Values) -> Values:
    """Return what the element under one of the keys may be."""
    known = program.get(group, KEYS)
    if not keys or not keys <= known:
        return elements(program, group)
    found = program.get(group, ANY_KEY)
    for key in keys:
        found |= program.get(group, key)
    return found


def put(program: Program, group: Group, keys: Values | None, values: Values) -> None:
    """Put an element into a group, under keys that are known or under any."""
    constants = [key for key in keys or () if isinstance(key, Constant)]
    if not constants or len(constants) != len(keys or ()):
        program.join(group, ANY_KEY, values)
        return
    for key in constants:
        program.join(group, KEYS, {key})
        program.join(group, key, values)


def codes(values: Values) -> tuple[set[int], bool]:
    """Return the HTTP statuses among values, and whether there may be others."""
    found: set[int] = set()
    unknown = False
    for value in values:
        if isinstance(value, Constant):
            match = re.match(r"\s*([1-5]\d\d)\b", str(value.value))
            if match and not isinstance(value.value, bool):
                found.add(int(match[1]))
        elif not isinstance(value, Group | Module):
            unknown = True
    return found, unknown
