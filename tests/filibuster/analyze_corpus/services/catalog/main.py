from flask import Flask

from catalog.views import views

app = Flask("catalog")
app.register_blueprint(views)

if __name__ == "__main__":
    app.run()
