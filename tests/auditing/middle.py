"""What stands in the middle and knows nothing of baggage: a proxy, and a plain service.

Run as a script with the next service's address and the headers that it strips on the way there and
back, separated by commas; "*" for all. With one more argument it answers each question that it has
heard before as it did then. Says its own port on a line.
"""

from __future__ import annotations

import sys
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

NEXT, THERE, BACK = sys.argv[1], sys.argv[2].split(","), sys.argv[3].split(",")
REPEATS = bool(sys.argv[4:])
ANSWERS: dict[str, tuple[Any, bytes]] = {}
_HOP = ("connection", "host", "content-length", "transfer-encoding", "server", "date")


def passing(headers: Any, stripped: list[str]) -> list[tuple[str, str]]:
    """Return the headers to pass on."""
    return [
        (name, value)
        for name, value in headers.items()
        if name.lower() not in (*_HOP, *stripped) and "*" not in stripped
    ]


class Middle(BaseHTTPRequestHandler):
    """Asks the next service for each request, and answers what that did."""

    def do_GET(self) -> None:
        """Pass on a request."""
        url = urlsplit(NEXT)
        connection = HTTPConnection(str(url.hostname), url.port or 80, timeout=300)
        connection.request("GET", self.path, headers=dict(passing(self.headers, THERE)))
        response = connection.getresponse()
        body = response.read()
        if REPEATS:
            response, body = ANSWERS.setdefault(self.path, (response, body))
        self.send_response(response.status)
        for name, value in passing(response.headers, BACK):
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        connection.close()

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Middle)
    print(server.server_port, flush=True)  # noqa: T201 - to whoever started this
    server.serve_forever()
