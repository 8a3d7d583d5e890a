"""Zipkin-style spans, as a meta-application."""
