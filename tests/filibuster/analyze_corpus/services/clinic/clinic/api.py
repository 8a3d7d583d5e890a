from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import ORJSONResponse

from clinic.repository import Repository

router = APIRouter(prefix="/patients")


def repository() -> Repository:
    return Repository()


@router.get("/{name}", responses={418: {"description": "documented, never answered"}})
async def patient(name: str, patients: Annotated[Repository, Depends(repository)]):
    return await patients.find(name)


@router.post("/{name}")
async def admit(name: str, patients: Repository = Depends(repository)):
    await patients.admit(name)
    if name == "later":
        return ORJSONResponse({"error": "later"}, 503)
    return {"name": name}
