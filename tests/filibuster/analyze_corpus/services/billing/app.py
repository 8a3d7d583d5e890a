"""Exceptions that are nothing to Flask, until an error handler says what they are."""
from flask import Flask, jsonify

app = Flask(__name__)


class BillingError(Exception):
    status = 400

    def __init__(self, message, status=None):
        super().__init__(message)
        self.message = message
        if status is not None:
            self.status = status


class CardDeclined(BillingError):
    status = 402


class LedgerDown(Exception):
    pass


class Forgotten(Exception):
    status = 507


@app.errorhandler(BillingError)
def on_billing_error(error):
    return jsonify(message=error.message), error.status


@app.errorhandler(LedgerDown)
def on_ledger_down(error):
    return "the ledger is down", 503


@app.post("/charge/<amount>")
def charge(amount):
    if amount == "0":
        raise BillingError("nothing to charge")
    if amount == "1000000":
        raise BillingError("too much", status=413)
    if amount == "13":
        raise CardDeclined("declined")
    if amount == "7":
        raise Forgotten("nobody handles this, so it is a plain 500")
    raise LedgerDown()
