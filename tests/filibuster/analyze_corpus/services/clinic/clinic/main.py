from fastapi import FastAPI

from clinic.api import router

app = FastAPI()
app.include_router(router)
