"""Causal context that follows execution."""

__all__: list[str] = []
