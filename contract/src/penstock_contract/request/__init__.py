"""What a client asks for: the body's fields, their bounds, and the operation that is queued."""
