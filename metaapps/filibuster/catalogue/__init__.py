"""The catalogue of faults: which are worth trying at which call, and the files that say so."""

from metaapps.filibuster.catalogue.analysis_file import load_analysis
from metaapps.filibuster.catalogue.faults import DEFAULT, Catalogue, Entry
from metaapps.filibuster.catalogue.place import AnalysisError
from metaapps.filibuster.catalogue.schema import SCHEMA

__all__ = ["DEFAULT", "SCHEMA", "AnalysisError", "Catalogue", "Entry", "load_analysis"]
