"""What can be wrong with what tracing is given."""

from __future__ import annotations


class TracingError(ValueError):
    """The base of this package's errors."""


class SpanError(TracingError):
    """What was read is no Zipkin v2 span, or no array of them."""


class TraceFileError(TracingError):
    """A path holds something that is no array of spans; it was left as it is."""


class SettingError(TracingError):
    """An environment variable has a value that means nothing."""
