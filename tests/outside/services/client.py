"""client: asks the gateway for two tenants, in turn and at once."""

from threading import Thread

import baggage
from tests.outside.services.asking import ask, tell

baggage.instrument()
ask("blue", 1)
ask("green", 2)
threads = [Thread(target=ask, args=("blue", 2)), Thread(target=ask, args=("green", 3))]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
tell()
