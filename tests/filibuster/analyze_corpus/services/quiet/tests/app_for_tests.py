from flask import Flask, abort

app = Flask("tests")


@app.get("/")
def fail():
    abort(412)
