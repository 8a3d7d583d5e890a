"""Tasks with nothing of ours in them but a look at what is carried."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery

app: Any = Celery("jobs", broker=os.environ["BROKER"], backend=os.environ["BROKER"])
app.conf.task_default_queue = os.environ["QUEUE"]


def look() -> list[Any]:
    import baggage
    from baggage.runtime import PROCESS

    baggage.pack("back", "done")
    return [*baggage.unpack("tenant"), PROCESS.boundary.policy.service]


look_task = app.task(look, name="look")
