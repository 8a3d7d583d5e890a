"""once: asks the gateway for one tenant."""

import baggage
from tests.outside.services.asking import ask, tell

baggage.instrument()
ask("blue", 1)
tell()
