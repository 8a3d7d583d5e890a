from flask import Flask

app = Flask("tests")


@app.get("/")
def fail():
    return "", 417
