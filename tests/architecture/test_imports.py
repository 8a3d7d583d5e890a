"""Importing the library costs an application nothing that it does not use."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.architecture import tree

INSTRUMENTED = {"aiohttp", "flask", "grpc", "httpx", "requests", "urllib3", "werkzeug"}
CONSOLES = {"click", "rich"}
TEST_TOOLS = {"hypothesis", "pytest"}
# All that `import baggage` may wait for. Of what else takes as long as all of `baggage` (asyncio,
# wrapt, protobuf) or a good part of that (hashlib, pathlib), each is imported where it is used.
QUICK = (
    "__future__, abc, atexit, binascii, collections, contextlib, contextvars, dataclasses, enum, "
    "fnmatch, functools, importlib, inspect, itertools, logging, math, os, re, struct, sys, "
    "threading, time, types, typing, weakref"
)

META_APPLICATIONS = tree.pyproject()["project"]["entry-points"]["baggage.metaapps"].values()


@pytest.mark.parametrize(
    "module", ["baggage", *(entry.partition(":")[0] for entry in META_APPLICATIONS)]
)
def test_importing_it_imports_no_library_that_it_instruments_and_no_console(module: str) -> None:
    assert loaded_by(f"import {module}") & (INSTRUMENTED | CONSOLES | TEST_TOOLS) == set()


def test_importing_it_loads_little_of_the_standard_library_and_nothing_else() -> None:
    allowed = modules_after(f"import {QUICK}")
    assert outside(modules_after("import baggage") - allowed) == set()


def test_the_check_sees_what_an_import_loads() -> None:
    assert {"click", "requests", "urllib3"} <= loaded_by("import click, requests")


def outside(modules: set[str]) -> set[str]:
    return {name for name in modules if name.partition(".")[0] != "baggage"}


def loaded_by(statement: str) -> set[str]:
    """Return the top-level names of what a fresh interpreter has loaded after a statement."""
    return {name.partition(".")[0] for name in modules_after(statement)}


def modules_after(statement: str) -> set[str]:
    """Return what a fresh interpreter has loaded after a statement."""
    script = f"import sys; {statement}; sys.stdout.write(' '.join(sys.modules))"
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=tree.ROOT
    )
    assert ran.returncode == 0, ran.stderr
    return set(ran.stdout.split())
