"""FastAPI: a tuple is a body, and what a dependency raises is an answer."""
import httpx
from fastapi import Depends, FastAPI, HTTPException, Request, Response, status
from fastapi.responses import JSONResponse

app = FastAPI()


class Duplicate(HTTPException):
    def __init__(self, name):
        super().__init__(status_code=409, detail=name)


class Unready(Exception):
    pass


@app.exception_handler(Unready)
async def unready(request: Request, error: Unready):
    return JSONResponse({"error": "unready"}, status_code=503)


def current_user(token: str = ""):
    if not token:
        raise HTTPException(status.HTTP_401_UNAUTHORIZED, "who are you?")
    return token


@app.get("/users/{name}")
def user(name: str, me: str = Depends(current_user)):
    if name == "nobody":
        raise HTTPException(status_code=404)
    if name == "pair":
        return {"not": "a status"}, 418
    return {"name": name}


@app.post("/users/{name}", status_code=201)
async def create(name: str, response: Response):
    if name == "taken":
        raise Duplicate(name)
    if name == "half":
        response.status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
        return {}
    async with httpx.AsyncClient() as client:
        answer = await client.get("http://mail/")
    if answer.status_code == 500:
        raise Unready()
    return {}
