"""What every test runs under: hypothesis profiles, and no skips where CI forbids them.

Fixtures belong beside the tests that use them; only what holds for the whole suite is here.
"""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Generator, Iterator

import pytest
from hypothesis import HealthCheck, settings

from baggage.context import enter, leave

IN_CI = os.environ.get("CI", "").lower() not in {"", "0", "false"}

# A slow or shared machine is no reason to fail: no deadline, and no complaint about slow draws.
settings.register_profile("dev", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("dev"), derandomize=True, print_blob=True)
settings.register_profile("soak", settings.get_profile("dev"), max_examples=10_000)
# For `make cover` and `make ceiling`: whether a branch is reached is no matter of chance, nor of
# many examples.
settings.register_profile("cover", settings.get_profile("ci"), max_examples=10)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if IN_CI else "dev"))


def pytest_configure() -> None:
    """Let what tests start be interrupted: a shell's jobs in the background ignore that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Search for no garbage among thousands of tests, which live to the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


@pytest.fixture(autouse=True)
def _apart() -> Iterator[None]:
    """Let a test begin in no branch, whichever the one before left behind."""
    token = enter(None)
    yield
    leave(token)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure in CI, unless the test is marked `may_skip("why")`."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and not _may_skip(item):
        _forbid(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn the skip of a whole module into a failure in CI."""
    report = yield
    if report.skipped:
        _forbid(report)
    return report


def _may_skip(item: pytest.Item) -> bool:
    marker = item.get_closest_marker("may_skip")
    return marker is not None and bool(marker.args or marker.kwargs.get("reason"))


def _forbid(report: pytest.TestReport | pytest.CollectReport) -> None:
    if not IN_CI:
        return
    report.longrepr = f"skipped, and CI forbids skips: {_reason(report.longrepr)}"
    report.outcome = "failed"


def _reason(longrepr: object) -> str:
    """Return the reason of a skip, which pytest reports as (path, line, reason)."""
    return str(longrepr[2]) if isinstance(longrepr, tuple) else str(longrepr)
