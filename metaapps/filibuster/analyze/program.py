"""What is known of one service so far: its scopes, and what each name, result and attribute may be.

Only ever grows, until nothing is added any more: a control-flow analysis without contexts (0-CFA,
Shivers 1988). Who adds to it is in `statements` and `calls`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from metaapps.filibuster.analyze.sources import Sources, shown
from metaapps.filibuster.analyze.values import (
    ANYTHING,
    NOTHING,
    UNKNOWN,
    Class,
    Constant,
    Effect,
    Escape,
    Function,
    Module,
    Scope,
    Site,
    Value,
    Values,
)

_MOST_CONSTANTS: Final = 64
Item = TypeVar("Item")
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


@dataclass(slots=True)
class Program:
    """One service. Not for several threads at once.

    `settled` is whether all that the service surely does has been followed; what remains is what
    others may do with it.
    """

    sources: Sources
    grew: bool = False
    settled: bool = False
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
    _values: dict[tuple[object, object], Values] = field(default_factory=dict)

    def get(self, owner: object, name: object) -> Values:
        """Return what a name of a scope, or an attribute or element of a value, may be."""
        return self._values.get((owner, name), NOTHING)

    def join(self, owner: object, name: object, values: Iterable[Value]) -> None:
        """Add to what it may be. Too many constants are anything."""
        known = self.get(owner, name)
        merged = known.union(values)
        if len(merged) == len(known) or (UNKNOWN in known and len(known) > _MOST_CONSTANTS):
            return
        if sum(isinstance(value, Constant) for value in merged) > _MOST_CONSTANTS:
            merged |= ANYTHING
        self._values[owner, name] = merged
        self.grew = True

    def attributes(self, owner: object) -> Iterator[object]:
        """Yield the names under which something is known of a value."""
        return (name for known, name in list(self._values) if known == owner)

    def add(self, known: dict[Item, None], item: Item) -> None:
        """Add to one of the ordered sets."""
        if item not in known:
            known[item] = None
            self.grew = True

    def module(self, path: Path) -> Module:
        """Return the module of a file, which is analyzed from now on."""
        module = Module(shown(path))
        if module not in self.modules:
            self.modules[module] = path
            self.names[module] = set()
            if path.is_file():
                self.names[module] |= bound_names(self.sources.tree(path).body)
            self.grew = True
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
