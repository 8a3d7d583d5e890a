"""The original Filibuster's HTTP protocol: served, and spoken to services that know no other."""
