"""Service-level fault injection testing, as a meta-application."""
