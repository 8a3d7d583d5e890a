"""Instrumentations: one module for each library, named after it, imported when the library is."""
