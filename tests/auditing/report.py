"""What a service under audit found, as text that another process reads."""

from __future__ import annotations

import json

import baggage
from baggage.boundary import CallSite


def report() -> str:
    """Return the findings of this process."""

    def place(site: CallSite) -> list[str | int]:
        return [site.file, site.function, site.line]

    return json.dumps(
        [
            {
                "problem": each.problem.value,
                "site": place(each.site),
                "forked": place(each.forked),
                "other": place(each.other),
                "text": str(each),
                "request": each.request,
                "peer": each.peer,
                "service": each.service,
                "back": each.back,
            }
            for each in baggage.audit().findings
        ]
    )
