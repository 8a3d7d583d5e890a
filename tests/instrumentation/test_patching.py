"""Methods that another tool has wrapped by wrapt stay both its and ours, whoever undoes what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import wrapt
from opentelemetry.instrumentation.utils import unwrap

from baggage.instrumentation._patching import Function, Switch, replace, wrap

Install = Callable[[type, list[str], Switch], None]


def wrapping(owner: type, said: list[str], switch: Switch) -> None:
    def wrapper(wrapped: Function, _: object, args: Any, kwargs: Any) -> Any:
        said.append("ours")
        return wrapped(*args, **kwargs)

    wrap(owner, "work", switch, wrapper)


def replacing(owner: type, said: list[str], switch: Switch) -> None:
    def making(original: Function) -> Function:
        def work(self: object, number: int) -> Any:
            if switch.on:
                said.append("ours")
            return original(self, number)

        return work

    replace(owner, "work", making)


def others(owner: type, said: list[str], name: str = "theirs") -> None:
    def wrapper(wrapped: Function, _: object, args: Any, kwargs: Any) -> Any:
        said.append(name)
        return wrapped(*args, **kwargs)

    wrapt.wrap_function_wrapper(owner, "work", wrapper)


def worker() -> type:
    class Worker:
        def work(self, number: int) -> int:
            return number + 1

    return Worker


@pytest.mark.parametrize("install", [wrapping, replacing])
@pytest.mark.parametrize("first", [True, False])
def test_what_another_tool_undoes_is_its_own(install: Install, first: bool) -> None:
    said: list[str] = []
    owner, switch = worker(), Switch()
    if first:
        install(owner, said, switch)
    others(owner, said)
    if not first:
        install(owner, said, switch)
    assert owner().work(1) == 2
    assert said == ["theirs", "ours"]
    said.clear()
    unwrap(owner, "work")
    assert owner().work(1) == 2
    assert said == ["ours"]
    said.clear()
    others(owner, said)
    switch.on = False
    assert owner().work(1) == 2
    assert said == ["theirs"]


@pytest.mark.parametrize("install", [wrapping, replacing])
def test_ours_goes_beneath_all_of_them_and_around_what_is_ours(install: Install) -> None:
    said: list[str] = []
    owner = worker()
    wrapping(owner, said, Switch())
    others(owner, said, "one")
    others(owner, said, "two")
    install(owner, said, Switch())
    assert owner().work(1) == 2
    assert said == ["two", "one", "ours", "ours"]


@pytest.mark.parametrize("install", [wrapping, replacing])
def test_what_a_class_inherits_is_wrapped_for_it_alone(install: Install) -> None:
    said: list[str] = []
    owner = worker()
    others(owner, said)
    below = type("Below", (owner,), {})
    install(below, said, Switch())
    assert owner().work(1) == 2
    assert said == ["theirs"]
    assert below().work(1) == 2
    assert said == ["theirs", "ours", "theirs"]
