"""An event loop in a thread of its own, for tests that call it from theirs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import aiohttp

T = TypeVar("T")
_PATIENCE = 300


class Looping:
    """Runs coroutines as if whoever calls did: in its context, raising what they raise."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._sessions: list[aiohttp.ClientSession] = []

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end."""

        async def kept() -> tuple[T | None, BaseException | None]:
            try:
                return await work, None
            except (Exception, asyncio.CancelledError) as error:
                return None, error

        found, error = asyncio.run_coroutine_threadsafe(kept(), self.loop).result(_PATIENCE)
        if error is not None:
            raise error
        return found  # type: ignore[return-value]

    def session(
        self,
        make: Callable[..., aiohttp.ClientSession] = aiohttp.ClientSession,
        **options: Any,
    ) -> aiohttp.ClientSession:
        """Make a session that is closed with the loop."""

        async def made() -> aiohttp.ClientSession:
            return make(**options)

        session = self.run(made())
        self._sessions.append(session)
        return session

    async def close(self) -> None:
        """Close the sessions."""
        for session in self._sessions:
            await session.close()


@contextmanager
def looping() -> Iterator[Looping]:
    """Run a loop while a block runs."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    running = Looping(loop)
    try:
        yield running
    finally:
        running.run(running.close())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
