"""The hard limits of the house hold in every module, and each check catches what it is for."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from tests.architecture import limits, tree

SHIPPED = ("baggage", "metaapps")
SHOWN = (*SHIPPED, "examples")

LONGEST_FUNCTION = 50
USUAL_FUNCTION = 25
MOST_COMPLEX = 10
LONGEST_MODULE = 350
LONGEST_MODULE_WITH_A_REASON = 450


Found = TypeVar("Found")


def offences(check: Callable[[str], Found], *folders: str) -> dict[str, Found]:
    """Return what `check` finds in each module under the folders, where it finds something."""
    found = {tree.name(path): check(path.read_text()) for path in tree.modules(*folders)}
    return {path: offence for path, offence in found.items() if offence}


def test_no_function_is_longer_than_a_screen() -> None:
    def long_ones(source: str) -> list[limits.Length]:
        return [each for each in limits.function_lengths(source) if each.lines > LONGEST_FUNCTION]

    assert offences(long_ones, *SHOWN) == {}


@pytest.mark.parametrize("package", tree.PACKAGES)
def test_nine_of_ten_functions_are_short(package: str) -> None:
    lengths = [
        length.lines
        for path in tree.modules(package)
        for length in limits.function_lengths(path.read_text())
    ]
    assert limits.percentile(lengths, 0.9) <= USUAL_FUNCTION


def test_no_function_is_complex() -> None:
    assert limits.too_complex((str(tree.ROOT / folder) for folder in SHOWN), MOST_COMPLEX) == ""


def test_a_module_is_short_or_the_rationale_says_why_not() -> None:
    lengths = offences(limits.module_length, *SHOWN)
    long_ones = {path: lines for path, lines in lengths.items() if lines > LONGEST_MODULE}
    assert long_ones.keys() <= with_a_reason(tree.ROOT / "RATIONALE.md")
    assert all(lines <= LONGEST_MODULE_WITH_A_REASON for lines in long_ones.values()), long_ones


def with_a_reason(rationale: Path) -> set[str]:
    """Return the modules that the rationale names, in backquotes."""
    return set(re.findall(r"`([\w/]+\.py)`", rationale.read_text() if rationale.exists() else ""))


def test_a_package_initializer_holds_imports_only() -> None:
    found = offences(limits.beyond_imports, *SHOWN)
    assert {path: lines for path, lines in found.items() if path.endswith("/__init__.py")} == {}


def test_nothing_prints_evaluates_catches_all_or_declares_a_global() -> None:
    assert offences(limits.banned, *SHIPPED) == {}


@pytest.mark.parametrize("package", tree.PACKAGES)
def test_one_module_of_a_package_reads_the_environment(package: str) -> None:
    readers = [path for path in tree.modules(package) if limits.environment_reads(path.read_text())]
    assert len(readers) <= 1, readers
    assert all(path.name == "settings.py" for path in readers), readers


def test_baggage_names_no_meta_application_that_acts_on_it() -> None:
    named = [
        path
        for path in (tree.ROOT / "baggage").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
        if b"filibuster" in path.read_bytes().lower() or "filibuster" in path.name.lower()
    ]
    assert named == []


def test_metaapps_is_a_namespace_that_others_can_add_to() -> None:
    assert not (tree.ROOT / "metaapps" / "__init__.py").exists()


# The checks themselves, on texts that break one limit each.


def test_a_long_function_is_measured_with_its_docstring_wherever_it_stands() -> None:
    source = (
        'class A:\n    async def f(self):\n        """Do."""\n        def g():\n            pass\n'
    )
    assert limits.function_lengths(source) == [("f", 2, 4), ("g", 4, 2)]


@pytest.mark.parametrize(
    ("lengths", "ninetieth"), [([], 0), ([7], 7), (range(1, 11), 9), ([1] * 8 + [30] * 2, 30)]
)
def test_the_ninetieth_percentile_is_a_length_that_occurs(
    lengths: list[int], ninetieth: int
) -> None:
    assert limits.percentile(lengths, 0.9) == ninetieth


@pytest.mark.parametrize(("branches", "caught"), [(9, False), (10, True)])
def test_a_complex_function_is_caught_even_if_it_asks_not_to_be(
    branches: int, caught: bool
) -> None:
    source = "def f(x):  # noqa: C901\n" + "    if x: x = x - 1\n" * branches
    assert bool(limits.too_complex((), MOST_COMPLEX, source)) is caught


def test_lines_of_a_module_are_counted_blank_or_not() -> None:
    assert limits.module_length("import os\n\n# why\n") == 3


def test_an_initializer_that_does_something_is_caught() -> None:
    source = (
        '"""One sentence."""\nfrom a import b\nimport c\n__all__ = ["b"]\n__all__: list[str] = []\n'
        '__version__ = "1"\nX = 1\ndef f(): pass\nif X: import d\n"not a docstring"\n'
    )
    assert limits.beyond_imports(source) == [7, 8, 9, 10]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("print(1)", "print"),
        ("show = print", "print"),
        ("x = eval('1')", "eval"),
        ("exec('1')", "exec"),
        ("try: pass\nexcept: pass", "bare except"),
        ("def f():\n    global x\n    x = 1", "global"),
    ],
)
def test_what_is_banned_is_caught(source: str, found: str) -> None:
    (where,) = limits.banned(source)
    assert where.startswith(found)


def test_what_only_resembles_the_banned_is_not_caught() -> None:
    source = "console.print(1)\ntry: pass\nexcept Exception: pass\n'print'\nmodel.eval()\n"
    assert limits.banned(source) == []


@pytest.mark.parametrize(
    "source",
    [
        "import os\nos.environ['A']",
        "import os\nos.getenv('A')",
        "import os as system\nsystem.environ.get('A')",
        "import os.path, os\ndef f(): return {**os.environ}",
        "import sys\nfrom os import environ as e",
    ],
)
def test_a_read_of_the_environment_is_caught(source: str) -> None:
    assert limits.environment_reads(source) == [2]


def test_a_wsgi_environ_is_not_the_environment() -> None:
    source = "import os\ndef app(environ, request): return request.environ, os.path"
    assert limits.environment_reads(source) == []


def test_a_reason_names_the_module_whole(tmp_path: Path) -> None:
    rationale = tmp_path / "RATIONALE.md"
    assert with_a_reason(rationale) == set()
    rationale.write_text("Why is `baggage/values/x.py` long? Not y.py, nor `join`.")
    assert with_a_reason(rationale) == {"baggage/values/x.py"}
