"""Where in a service the analysis is: the scopes around it, and what is raised there."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace

from metaapps.filibuster.analyze.program import Program
from metaapps.filibuster.analyze.values import (
    Escape,
    Function,
    Library,
    Module,
    Scope,
    Site,
    Values,
)


@dataclass(frozen=True, slots=True)
class Frame:
    """`scopes` are innermost first; `escapes` collects what is raised and not caught so far.

    `function` is None outside of functions. `handling` is what the innermost `except` caught.
    """

    program: Program
    module: Module
    scopes: tuple[Scope, ...]
    function: Function | None
    escapes: dict[Escape, None]
    handling: tuple[Escape, ...] = ()

    def site(self, node: ast.AST) -> Site:
        """Return the place of a node."""
        line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
        return Site(self.module.file, line, column)

    def scope_of(self, name: str) -> Scope | None:
        """Return the innermost scope that binds a name."""
        return next((scope for scope in self.scopes if name in self.program.names[scope]), None)

    def lookup(self, name: str) -> Values:
        """Return what a name may be."""
        scope = self.scope_of(name)
        if scope is None:
            return frozenset({Library(f"builtins.{name}")})
        return self.program.get(scope, name)

    def bind(self, name: str, values: Values) -> None:
        """Bind a name, in the scope that it belongs to."""
        scope = self.scope_of(name)
        if scope is None:
            scope = self.module
            self.program.declare(scope, name)
        self.program.join(scope, name, values)

    def catching(self) -> Frame:
        """Return this frame with a collector of its own."""
        return replace(self, escapes={})

    def note(self, site: Site, text: str) -> None:
        """Remember what isn't known here."""
        self.program.note(self.function, site, text)
