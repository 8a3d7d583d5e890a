"""The catalogue of faults: which are worth trying at which call, and the files that say so."""

from metaapps.filibuster.catalogue.analysis_file import load_analysis
from metaapps.filibuster.catalogue.calls import Calls, RuleError, parse_calls
from metaapps.filibuster.catalogue.faults import DEFAULT, HTTP_ENTRIES, Catalogue, Entry, Trial
from metaapps.filibuster.catalogue.place import AnalysisError
from metaapps.filibuster.catalogue.rule import Rule, parse_rule
from metaapps.filibuster.catalogue.schema import SCHEMA

__all__ = [
    "DEFAULT",
    "HTTP_ENTRIES",
    "SCHEMA",
    "AnalysisError",
    "Calls",
    "Catalogue",
    "Entry",
    "Rule",
    "RuleError",
    "Trial",
    "load_analysis",
    "parse_calls",
    "parse_rule",
]
