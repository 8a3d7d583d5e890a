import tornado.web
from tornado.web import HTTPError


class Base(tornado.web.RequestHandler):
    def refuse(self, status):
        self.set_status(status)
        self.finish()


class Song(Base):
    def get(self, number):
        if number == "0":
            raise HTTPError(404)
        self.write(number)

    def post(self, number):
        self.refuse(501)

    def put(self, number):
        self.send_error(409)


def make_app():
    return tornado.web.Application([("/song/(.*)", Song)])
