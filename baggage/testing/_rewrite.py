"""Has pytest explain what failed in the suites, as it does in modules of tests."""

from __future__ import annotations

import pkgutil
from pathlib import Path

import pytest

_MODULES = pkgutil.iter_modules([str(Path(__file__).parent)])
pytest.register_assert_rewrite(
    *(f"baggage.testing.{module.name}" for module in _MODULES if module.name != "_rewrite")
)
