from flask import Flask
from flask.views import MethodView

from inventory import api


class Shelves(MethodView):
    def get(self, shelf):
        if shelf > 9:
            return {"error": "no shelf"}, 404
        return self.content(shelf)

    def content(self, shelf):
        return {"shelf": shelf}

    def helper(self):
        return "never asked", 418


def create_app(config=None):
    app = Flask(__name__)
    app.register_blueprint(api.blueprint, url_prefix="/api")
    app.add_url_rule("/shelves/<int:shelf>", view_func=Shelves.as_view("shelves"))

    @app.get("/ready")
    def ready():
        return ("ready", 200) if api.ready() else ("wait", 503)

    return app
