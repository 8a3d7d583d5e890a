"""gRPC in the waist's terms, for both of its libraries: blocking, and of an event loop."""
