"""flask_restful, and an application that comes from where its source isn't."""
from flask_restful import Api, Resource, abort
from platform_kit.web import app

api = Api(app)


class Store(Resource):
    def get(self, name):
        if name == "none":
            abort(404, message="no such store")
        return {"name": name}, 200

    def put(self, name):
        return {"message": "read only"}, 405


api.add_resource(Store, "/store/<name>")


@app.route("/stores")
def stores():
    return {"message": "too many"}, 413
