"""An HTTP server in a thread of its own, as the coordinator and the foreign server are."""

from __future__ import annotations

from http.server import ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Self

from baggage.context import suppressed


class Serving:
    """Serves as a context manager, and stops on the way out."""

    _server: ThreadingHTTPServer
    _thread: Thread

    def __enter__(self) -> Self:
        # The server's threads belong to no execution, whoever starts them.
        with suppressed():
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
