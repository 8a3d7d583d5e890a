from flask import Flask

app = Flask(__name__)


@app.get("/tea")
def tea() -> dict[str, int]:
    return {"pieces": 3}
