"""Known bugs of contextvars-extras, which `baggage.context.session` goes around.

A test that fails here says that the library has mended its bug, and that we need not any more.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar

import pytest
from contextvars_extras import ContextVarsRegistry
from contextvars_extras.context_management import bind_to_sandbox_context, bind_to_snapshot_context
from contextvars_extras.context_var_descriptor import ContextVarDescriptor

VARIABLE: ContextVar[int] = ContextVar("VARIABLE", default=0)


class Registry(ContextVarsRegistry):  # type: ignore[misc]  # the library ships no types
    deferred = ContextVarDescriptor(deferred_default=list)


def test_a_snapshot_drops_the_positional_arguments_of_a_call() -> None:
    bound = bind_to_snapshot_context(lambda *args: args)
    assert bound(1) == ()


def test_a_sandbox_does_not_isolate_a_coroutine() -> None:
    async def coroutine() -> None:
        VARIABLE.set(1)

    async def leak() -> int:
        await bind_to_sandbox_context(coroutine)()
        return VARIABLE.get()

    assert asyncio.run(leak()) == 1


def test_a_deferred_default_raises_in_another_thread() -> None:
    assert Registry().deferred == []
    with ThreadPoolExecutor(1) as pool, pytest.raises(LookupError):
        pool.submit(lambda: Registry().deferred).result()
