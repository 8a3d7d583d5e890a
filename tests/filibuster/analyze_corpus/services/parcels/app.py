"""aiohttp: answers are objects, and so are refusals."""
import asyncio

import aiohttp
from aiohttp import web
from aiohttp.web import HTTPForbidden as Forbidden, json_response

routes = web.RouteTableDef()


@routes.get("/parcel/{number}")
async def parcel(request):
    number = request.match_info["number"]
    if number == "0":
        raise web.HTTPNotFound(text="no such parcel")
    if number == "1":
        raise Forbidden()
    async with aiohttp.ClientSession() as session:
        try:
            async with session.get("http://depot/") as answer:
                return web.Response(text=await answer.text())
        except aiohttp.ClientError:
            return web.Response(status=502, text="no depot")
        except asyncio.TimeoutError:
            return json_response({"error": "late"}, status=504)


async def send(request):
    return await refuse()


async def refuse():
    return web.json_response({"sizes": [507, 508]}, status=413)


async def unregistered(request):
    raise web.HTTPTeapot()


@web.middleware
async def closed(request, handler):
    if request.headers.get("X-Closed"):
        return web.Response(status=503)
    try:
        return await handler(request)
    except web.HTTPException as error:
        return web.json_response({"error": error.text}, status=error.status)


def main():
    app = web.Application(middlewares=[closed])
    app.add_routes(routes)
    app.router.add_post("/parcel", send)
    web.run_app(app)
