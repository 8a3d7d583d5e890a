"""How positions travel to and from services that know nothing of baggage."""

from metaapps.tracing.formats.every import FORMATS, extract, headers
from metaapps.tracing.formats.format import Decision, Extracted, Format

__all__ = ["FORMATS", "Decision", "Extracted", "Format", "extract", "headers"]
