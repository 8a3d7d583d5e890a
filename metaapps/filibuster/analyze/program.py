"""What is known of one service so far: its scopes, and what each name, result and attribute may be.

Only ever grows, until nothing is added any more: a control-flow analysis without contexts (0-CFA,
Shivers 1988). Who adds to it is in `statements` and `calls`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from metaapps.filibuster.analyze.sources import Sources, shown
from metaapps.filibuster.analyze.values import (
    ANYTHING,
    NOTHING,
    Class,
    Constant,
    Effect,
    Escape,
    Function,
    Library,
    Method,
    Module,
    Scope,
    Site,
    Value,
    Values,
)

BASES: Final = "<bases>"
_ESCAPES: Final = "<escapes>"
_MOST: Final = 64
_MOST_OF_ALL: Final = 256
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass(frozen=True, slots=True)
class Code:
    """The source of a function or class, and where its names are looked up, innermost first."""

    node: FunctionNode | ast.ClassDef
    module: Module
    around: tuple[Scope, ...]
    owner: Class | None = None
    marks: frozenset[str] = frozenset()

    @property
    def parameters(self) -> list[ast.arg]:
        """What a function takes by position."""
        if isinstance(self.node, ast.ClassDef):
            return []
        return [*self.node.args.posonlyargs, *self.node.args.args]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A function that a framework calls; its library, and whether what it returns is an answer."""

    function: Function
    library: str
    returns: bool = True


@dataclass(frozen=True, slots=True)
class OnError:
    """A function that answers for exceptions of a class, or for a status."""

    kind: Value
    function: Function


class Note(NamedTuple):
    """Something that the analysis can't know."""

    site: Site
    text: str


Unit = Module | Function
"""What is followed as a whole, and again when something that it has read has grown."""


@dataclass(slots=True)
class Program:
    """One service. Not for several threads at once.

    `running` is what is being followed. `settled` is whether all that the service surely does has
    been followed; what remains is what others may do with it.
    """

    sources: Sources
    running: Unit | None = None
    settled: bool = False
    runs: int = 0
    unfinished: Note | None = None
    modules: dict[Module, Path] = field(default_factory=dict)
    code: dict[Function | Class, Code] = field(default_factory=dict)
    names: dict[Scope, set[str]] = field(default_factory=dict)
    live: dict[Function, None] = field(default_factory=dict)
    endpoints: dict[Endpoint, None] = field(default_factory=dict)
    on_error: dict[OnError, None] = field(default_factory=dict)
    libraries: dict[str, None] = field(default_factory=dict)
    notes: dict[Note, set[Function]] = field(default_factory=dict)
    places: dict[tuple[Value, Value], Site] = field(default_factory=dict)
    applications: set[str] = field(default_factory=set)
    calls: dict[Function, dict[Function, None]] = field(default_factory=dict)
    effects: dict[Function, dict[Effect, None]] = field(default_factory=dict)
    escapes: dict[Function, dict[Escape, None]] = field(default_factory=dict)
    lineages: dict[Class | Library, list[Class | Library]] = field(default_factory=dict)
    _values: dict[tuple[object, object], Values] = field(default_factory=dict)
    _readers: dict[tuple[object, object], set[Unit]] = field(default_factory=dict)
    _due: set[Unit] = field(default_factory=set)

    def get(self, owner: object, name: object) -> Values:
        """Return what a name of a scope, or an attribute or element of a value, may be."""
        self._reads((owner, name))
        return self._values.get((owner, name), NOTHING)

    def join(self, owner: object, name: object, values: Iterable[Value]) -> None:
        """Add to what it may be. Too many constants or things of libraries are anything."""
        key = (owner, name)
        known = self._values.get(key, NOTHING)
        merged = known.union(values)
        if len(merged) > _MOST:
            merged = _widened(known, merged)
        if len(merged) == len(known):
            return
        self._values[key] = merged
        self._due.update(self._readers.get(key, ()))
        if name == BASES:
            self.lineages.clear()
            self.again()

    def raised_by(self, function: Function) -> Iterable[Escape]:
        """Return what a function may raise."""
        self._reads((function, _ESCAPES))
        return self.escapes[function]

    def raises(self, function: Function, escapes: Iterable[Escape]) -> None:
        """Add to what a function may raise."""
        known = self.escapes[function]
        before = len(known)
        known.update(dict.fromkeys(escapes))
        if len(known) > before:
            self._due.update(self._readers.get((function, _ESCAPES), ()))

    def revive(self, function: Function) -> None:
        """Make a function one that is called, so that it is followed."""
        if function not in self.live:
            self.live[function] = None
            self._due.add(function)

    def declare(self, scope: Scope, name: str) -> None:
        """Add a name to a scope in which it isn't bound in the usual way."""
        if name not in self.names[scope]:
            self.names[scope].add(name)
            self.again()

    def again(self) -> None:
        """Have everything followed again."""
        self._due.update(self.modules)
        self._due.update(self.live)

    def due(self) -> list[Unit]:
        """Return what is to be followed (again), in a stable order, and forget it."""
        found = [unit for unit in (*self.modules, *self.live) if unit in self._due]
        self._due.clear()
        return found

    def _reads(self, key: tuple[object, object]) -> None:
        if self.running is not None:
            self._readers.setdefault(key, set()).add(self.running)

    def module(self, path: Path) -> Module:
        """Return the module of a file, which is analyzed from now on."""
        module = Module(shown(path))
        if module not in self.modules:
            self.modules[module] = path
            self.names[module] = set()
            if path.is_file():
                self.names[module] |= bound_names(self.sources.tree(path).body)
            self._due.add(module)
        return module

    def define(self, identity: Function | Class, code: Code) -> None:
        """Make a function or class known."""
        if identity in self.code:
            return
        self.code[identity] = code
        body = [code.node.body] if isinstance(code.node, ast.Lambda) else code.node.body
        self.names[identity] = bound_names(body)
        if isinstance(identity, Function):
            self.names[identity] |= {argument.arg for argument in all_parameters(code.node)}
            self.escapes[identity] = {}
            self.effects[identity] = {}
            self.calls[identity] = {}

    def note(self, function: Function | None, site: Site, text: str) -> None:
        """Remember what isn't known, and in which function."""
        if function is not None:
            self.notes.setdefault(Note(site, text), set()).add(function)


def _widened(known: Values, merged: Values) -> Values:
    if len(merged) > _MOST_OF_ALL:
        return known | ANYTHING
    plain = [value for value in merged if _is_plain(value)]
    return merged if len(plain) <= _MOST else known.union(ANYTHING, merged.difference(plain))


def _is_plain(value: Value) -> bool:
    if isinstance(value, Method):
        return isinstance(value.function, Library)
    return isinstance(value, Constant | Library)


def all_parameters(node: ast.AST) -> Iterator[ast.arg]:
    """Yield every parameter of a function, of whatever kind."""
    if isinstance(node, FunctionNode):
        arguments = node.args
        yield from (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
        yield from (extra for extra in (arguments.vararg, arguments.kwarg) if extra is not None)


def bound_names(body: Iterable[ast.AST]) -> set[str]:
    """Return the names that are bound in a scope, not in the scopes inside it."""
    found: set[str] = set()
    elsewhere: set[str] = set()
    waiting: list[ast.AST] = list(body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Global | ast.Nonlocal):
            elsewhere.update(node.names)
            continue
        found.update(_binds(node))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            waiting.extend(node.decorator_list)
        elif not isinstance(node, ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))
    return found - elsewhere


def _binds(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.alias):
        yield node.asname or node.name.partition(".")[0]
    elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
        yield node.name
    elif isinstance(node, ast.MatchMapping) and node.rest:
        yield node.rest
