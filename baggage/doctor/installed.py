"""What is installed: each library that there is an instrumentation for, and whether it's supported.

The versions that are supported stand in one place, the extras of the distribution that brings the
instrumentation. Nothing is imported.
"""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import metadata
from importlib.util import find_spec
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from baggage.runtime import discovery

OURS: Final = "baggage"
_FOR_DEVELOPERS: Final = frozenset({"bench", "demo", "dev", "floor", "test"})
"""Extras that say what a checkout needs, and not what is supported."""
_EXTRA: Final = re.compile(r'extra == "([^"]*)"')


@dataclass(frozen=True, slots=True)
class Library:
    """One library that there is an instrumentation for.

    `by` is the distribution that brings that. `distribution` and `version` are the library's, ""
    where they aren't known; those of the standard library have Python's. `wants` is what is
    supported, "" where nobody says; `supported` is None where that can't be told.
    """

    name: str
    by: str
    found: bool
    distribution: str = ""
    version: str = ""
    wants: str = ""
    supported: bool | None = None

    @property
    def standard(self) -> bool:
        """Whether it's a part of Python."""
        return self.distribution == "Python"

    def to_json(self) -> dict[str, object]:
        """Return all of it."""
        return {
            "library": self.name,
            "found": self.found,
            "distribution": self.distribution,
            "version": self.version,
            "wants": self.wants,
            "supported": self.supported,
            "instrumented_by": self.by,
        }


def libraries() -> list[Library]:
    """Return every library that there is an instrumentation for, found or not, by name."""
    shelf = _Shelf()
    return [shelf.library(name) for name in sorted(discovery.instrumentations())]


def supported(distribution: str) -> Wants:
    """Return what a distribution's metadata says about the libraries that it's for."""
    try:
        said = metadata.requires(distribution) or []
    except metadata.PackageNotFoundError:
        said = []
    return Wants(tuple(optional(said)))


@dataclass(frozen=True, slots=True)
class Wants:
    """The optional requirements of a distribution, each with the extra that names it."""

    optional: tuple[tuple[str, Requirement], ...]

    def of(self, module: str, distributions: Iterable[str]) -> tuple[str, SpecifierSet | None]:
        """Return the distribution that has a module, and which versions of it are supported.

        It's the one of these, or of the module's name, or what the extra of its name asks for.
        """
        own = canonicalize_name(module)
        names = {own, *map(canonicalize_name, distributions)}
        asked = {canonicalize_name(each.name): each for _, each in self.optional}
        found = sorted(names & asked.keys())
        found += [canonicalize_name(each.name) for extra, each in self.optional if extra == own]
        if not found:
            return "", None
        wanted = SpecifierSet()
        for _, each in self.optional:
            if canonicalize_name(each.name) == found[0]:
                wanted &= each.specifier
        return asked[found[0]].name, wanted


def optional(said: Iterable[str]) -> Iterator[tuple[str, Requirement]]:
    """Yield the requirements of extras for libraries, with the extra, as metadata has them."""
    for line in said:
        try:
            asked = Requirement(line)
        except InvalidRequirement:
            continue
        extra = canonicalize_name("".join(_EXTRA.findall(str(asked.marker))))
        if extra and extra not in _FOR_DEVELOPERS:
            yield extra, asked


@dataclass
class _Shelf:
    """What is installed, looked up once."""

    wants: dict[str, Wants] = field(default_factory=dict)

    @cached_property
    def distributions(self) -> Mapping[str, list[str]]:
        return metadata.packages_distributions()

    @cached_property
    def others(self) -> Mapping[str, str]:
        """The distributions that bring instrumentations, besides ours, by the library's name."""
        entries = metadata.entry_points(group=discovery.LIBRARIES)
        return {each.name: "" if each.dist is None else each.dist.name for each in entries}

    def library(self, name: str) -> Library:
        by = self.others.get(name, OURS)
        module = name.partition(".")[0]
        if module in sys.stdlib_module_names:
            return Library(name, by, True, "Python", platform.python_version(), "", True)
        known = self.distributions.get(module, [])
        if by not in self.wants:
            self.wants[by] = supported(by)
        distribution, wanted = self.wants[by].of(module, known)
        distribution = distribution or (known[0] if known else "")
        wants = "" if wanted is None else str(wanted)
        if find_spec(module) is None:
            return Library(name, by, False, distribution, "", wants)
        version = _version(distribution)
        fits = (
            wanted.contains(version, prereleases=True) if wanted is not None and version else None
        )
        return Library(name, by, True, distribution, version, wants, fits)


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution) if distribution else ""
    except metadata.PackageNotFoundError:
        return ""
