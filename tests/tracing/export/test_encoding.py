from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaapps.tracing.export.encoding import (
    OTLP_JSON,
    OTLP_PROTO,
    ZIPKIN_JSON,
    ZIPKIN_PROTO3,
    Encoding,
)
from metaapps.tracing.span import Span
from tests.tracing.export.spans import spans


@pytest.mark.parametrize("encoding", [ZIPKIN_JSON, ZIPKIN_PROTO3, OTLP_JSON, OTLP_PROTO])
@given(some=st.lists(spans, min_size=1, max_size=5))
def test_a_message_is_no_longer_than_was_said(encoding: Encoding, some: list[Span]) -> None:
    encoded = [encoding.span(span) for span in some]
    length = len(encoding.message(encoded))
    assert length <= encoding.size(sum(map(len, encoded)), len(encoded))
