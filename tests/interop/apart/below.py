"""Our requests above OpenTelemetry's urllib3, installed before or after by `ORDER`; says "fine"."""

from __future__ import annotations

import os
import sys

from opentelemetry import baggage as theirs
from opentelemetry import context
from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor

import baggage
from baggage.boundary import read_header
from tests.interop.running import End, ending

if os.environ["ORDER"] == "theirs":
    URLLib3Instrumentor().instrument()
baggage.instrument(service="both")
if os.environ["ORDER"] == "ours":
    URLLib3Instrumentor().instrument()

import requests  # noqa: E402
from requests.adapters import HTTPAdapter  # noqa: E402

session = requests.Session()
stale = theirs.set_baggage("causal", "STALE")


def check(end: End) -> None:
    for found in (stale, theirs.set_baggage("n", "1", stale), theirs.set_baggage("n", "1")):
        for retries in (0, 2):
            session.mount("http://", HTTPAdapter(max_retries=retries))
            token = context.attach(found)
            with baggage.attached(baggage.Baggage().pack("tenant", "acme")):
                assert session.get(end.url).text == "end"
            context.detach(token)
            received = read_header(end.header or "")
            assert received.unpack("tenant") == ("acme",), (end.header, retries)
            assert received.foreign == (("n=1",) if theirs.get_baggage("n", found) else ())
            assert (end.header or "").count("causal") == 1


with ending() as end:
    check(end)
sys.stdout.write("fine")
