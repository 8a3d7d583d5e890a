"""What the suites for instrumentations share: a boundary of their own, and a clean context."""

from __future__ import annotations

import time
from asyncio import CancelledError
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import ClassVar, Final

import pytest

from baggage.boundary import Boundary, Policy
from baggage.context import enter, leave
from baggage.instrumentation._patching import Switch

HERE: Final = "here"
"""The name of the service that the tests run in."""

_PATIENCE: Final = 60.0


@dataclass(frozen=True, slots=True)
class _Wiring:
    boundary: Boundary
    switch: Switch


@cache
def _wiring(instrumentation: ModuleType) -> _Wiring:
    """Instrument a library for all tests of the process: what is wrapped stays wrapped."""
    wiring = _Wiring(Boundary(), Switch(on=False))
    instrumentation.instrument(wiring.boundary, wiring.switch)
    return wiring


class InstrumentationSuite:
    """Base of suites: set `instrumentation` to the module that says `instrument`.

    Each test starts with the instrumentation switched on, a strict boundary without
    meta-applications, and nothing carried. A property that does not hold for a library by its
    nature is taken out by `test_… = None` in the class.
    """

    instrumentation: ClassVar[ModuleType]

    boundary: Boundary
    switch: Switch

    @pytest.fixture(autouse=True)
    def _clean(self) -> Iterator[None]:
        wiring = _wiring(self.instrumentation)
        self.boundary, self.switch = wiring.boundary, wiring.switch
        self.boundary.configure(Policy(service=HERE, strict=True))
        self.switch.on = True
        token = enter(None)
        try:
            yield
        finally:
            leave(token)
            self.switch.on = False
            for app in self.boundary.apps:
                self.boundary.unregister(app.name)


def eventually(holds: Callable[[], object]) -> None:
    """Wait until something holds that other threads bring about; fail after a long time."""
    assert comes_to_hold(holds, _PATIENCE), "it never came to hold"


def comes_to_hold(holds: Callable[[], object], seconds: float) -> bool:
    """Wait until something holds that other threads bring about; say whether it did in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.002)
    return True


def outcome_of(step: Callable[[], object]) -> object:
    """Return what a step returns, or the exception that it raises; of an event loop's, too."""
    try:
        return step()
    except (Exception, CancelledError) as error:  # noqa: BLE001 - any library's
        return error


def failure(step: Callable[[], object]) -> BaseException:
    """Return the exception that a step raises."""
    outcome = outcome_of(step)
    assert isinstance(outcome, BaseException), outcome
    return outcome


def chain(error: BaseException | None) -> list[tuple[type[BaseException], bool]]:
    """Return the classes of an exception and what it came of, and whether that was stated."""
    links: list[tuple[type[BaseException], bool]] = []
    while error is not None:
        links.append((type(error), error.__cause__ is not None))
        error = error.__cause__ or error.__context__
    return links
