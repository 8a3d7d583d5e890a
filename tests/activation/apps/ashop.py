"""A service for any ASGI server, with nothing of ours in it but a look at what is carried."""

from __future__ import annotations

import asyncio
import os

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


async def look(request: Request) -> JSONResponse:
    import baggage
    from baggage.runtime import PROCESS

    behind = await asyncio.to_thread(baggage.unpack, "tenant")
    seen = {
        "tenant": [*baggage.unpack("tenant")],
        "behind": [*behind],
        "service": PROCESS.boundary.policy.service,
        "worker": os.getpid(),
    }
    return JSONResponse(seen)


app = Starlette(routes=[Route("/", look)])
