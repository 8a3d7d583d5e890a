"""Spans of calls by http.client, made by hand: at three places, twelve lines."""

import os
from http.client import HTTPConnection, HTTPResponse

from metaapps.tracing import Kind, bind, bound, start


class Response(HTTPResponse):
    def close(self):
        super().close()
        bound(self).answered().finish()


class Connection(HTTPConnection):
    response_class = Response

    def endheaders(self, *body, **encoding):
        bind(self, start("call", kind=Kind.CLIENT).tag("pid", os.getpid()).inject(self.putheader))
        super().endheaders(*body, **encoding)
        bound(self).over(self.sock)

    def getresponse(self):
        return bind(super().getresponse(), bound(self).annotate("Response headers received"))
