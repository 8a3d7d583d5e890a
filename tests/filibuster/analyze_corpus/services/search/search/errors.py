from flask import abort

STATUS = {"syntax": 400, "too long": 414, "index": 503}
_HIDDEN = 511


def fail(status, reason):
    abort(status, reason)
