"""The body of a client's request: its fields, their bounds, and the operation that is queued."""
