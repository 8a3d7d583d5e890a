from flask import jsonify


class BakeryError(Exception):
    status_code = 400

    def to_dict(self):
        return {"error": str(self)}

    def to_response(self):
        response = jsonify(self.to_dict())
        response.status_code = self.status_code
        return response


class OutOfFlour(BakeryError):
    status_code = 503


class Burnt(BakeryError):
    status_code = 502
