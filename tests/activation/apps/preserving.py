"""A test of a Flask application, as its users write them: the client keeps a request's contexts."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

from flask import Flask, Response, g, request, session, stream_with_context

from baggage import Baggage
from baggage.boundary import write_header

app = Flask(__name__)
app.secret_key = "key"
HEADER = write_header(Baggage().pack("n", 1), origin="test")


@app.get("/")
def stream() -> Response:
    session["name"] = g.name = request.args.get("name", "world")

    def chunks() -> Iterator[str]:
        import baggage

        yield f"{session['name']} "
        yield f"{[*baggage.unpack('n')]}"

    return Response(stream_with_context(chunks()))


seen: list[object] = []
nothing: dict[str, str] = {}
for headers in (nothing, {"baggage": HEADER}):
    for _ in range(2):
        with app.test_client() as client:
            response = client.get("/?name=blue", headers=headers)
            seen.append([g.name, request.path, response.text, g.name])
            client.get("/", headers=headers).close()
            seen.append([g.name])
json.dump([seen, bool(request), bool(g)], sys.stdout)
