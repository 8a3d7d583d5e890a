"""The faults to try in a foreign run where no analysis file says otherwise.

The built-in ones, and those that only the original's own clients can be made to suffer.
"""

from __future__ import annotations

import re
from typing import Final

from baggage.boundary import Fault, FaultKind
from metaapps.filibuster.catalogue import HTTP_ENTRIES, Catalogue, Entry
from metaapps.filibuster.status import GRPC_CODES

_WEB_CLIENT: Final = re.compile(r"WebClient\.")
# The original for Python calls all of gRPC "grpc.insecure_channel", that for Java says the method.
_GRPC: Final = re.compile(r"grpc\.insecure_channel|.*/")

FOREIGN_DEFAULT: Final = Catalogue(
    (
        *HTTP_ENTRIES,
        Entry(_WEB_CLIENT, Fault(FaultKind.REFUSED)),
        *(Entry(_WEB_CLIENT, Fault(FaultKind.STATUS, status=code)) for code in (500, 502, 503)),
        *(
            Entry(_GRPC, Fault(FaultKind.STATUS, status=GRPC_CODES.index(code)))
            for code in ("UNAVAILABLE", "DEADLINE_EXCEEDED", "NOT_FOUND")
        ),
    )
)
"""What an HTTP client can meet, the same for Java's WebClient, and what any gRPC call can meet."""
