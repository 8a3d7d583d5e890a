"""by_hand: registers the meta-application itself, and asks the gateway for one tenant."""

import baggage
from metaapps.acme_bytes.app import Bytes  # type: ignore[import-untyped]
from tests.outside.services.asking import ask, tell

baggage.register(Bytes())
baggage.instrument()
ask("blue", 1)
tell()
