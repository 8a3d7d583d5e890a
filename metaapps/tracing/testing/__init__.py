"""For tests of what is traced: spans in memory, and what they must say.

    # conftest.py
    from metaapps.tracing.testing import traced

    # a test
    def test_the_catalog_is_asked_once_the_user_is_known(traced, client):
        client.get("/basket")
        traced.no_errors()
        traced.happened_before("get /user", "get /items")
        call, served = traced.one("get /items", Kind.CLIENT), traced.one("get /items", Kind.SERVER)
        traced.shared_span(call, served)

Under the fixture `traced` whatever is instrumented in this process is traced, with ids 1, 2, 3 and
so on. It fails a test that leaves a span unfinished, or current. `recording` does the same as a
context manager, with options. Needs `pytest`; `metaapps.tracing` itself doesn't.
"""

from metaapps.tracing.testing.determined import Ticking, counted_ids, ticking
from metaapps.tracing.testing.fixture import Leak, recording, traced
from metaapps.tracing.testing.recorded import Recorded

__all__ = ["Leak", "Recorded", "Ticking", "counted_ids", "recording", "ticking", "traced"]
