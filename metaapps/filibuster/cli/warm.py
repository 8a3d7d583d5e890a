"""What the process that Python tests are forked from does once, so that no run has to again.

It instruments itself, and imports what tests import. A program of its own: nothing imports it but
what starts it.
"""

from __future__ import annotations

import sys
import sysconfig
from contextlib import suppress
from importlib import import_module

from baggage.boundary import read_header, write_header
from baggage.values import EMPTY
from metaapps.filibuster.cli import testcase
from metaapps.filibuster.lineage import ROOT
from metaapps.filibuster.orders import LINEAGE
from metaapps.filibuster.wire import encode_lineage
from metaapps.filibuster.workers import zygote


def main() -> None:
    """Serve whoever holds the other end of the socket that the first argument names.

    The second is the number of idle seconds after which to end, 0 for never; the others are modules
    to import. What can't be imported is the tests' business.
    """
    asked, idle, *modules = sys.argv[1:]
    testcase.instrument()
    _rehearse()
    for name in modules:
        with suppress(Exception):
            import_module(name)
    zygote.serve(int(asked), testcase.main, float(idle))


def _rehearse() -> None:
    """Have done what is otherwise done at the first header and the first call of each run."""
    header = write_header(EMPTY.with_down({LINEAGE: encode_lineage(ROOT)}))
    read_header(header).unpack(LINEAGE)
    sysconfig.get_paths()
