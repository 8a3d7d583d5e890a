"""The one error that baggage values raise."""


class BaggageError(ValueError):
    """A value that can't be packed, or bytes that are not baggage."""
