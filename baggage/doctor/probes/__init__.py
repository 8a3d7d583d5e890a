"""The self-tests: how each library's boundary is crossed on this machine."""
