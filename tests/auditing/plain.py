"""A gRPC service that knows nothing of baggage. Run as a script; says its own port on a line."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.auditing.rpc import serve

if __name__ == "__main__":
    server, port = serve(ThreadPoolExecutor(2))
    print(port, flush=True)  # noqa: T201 - to whoever started this
    server.wait_for_termination()
