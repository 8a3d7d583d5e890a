"""Parts of the instrumentation of redis-py: what is in an entry of a stream, and how it's read."""
