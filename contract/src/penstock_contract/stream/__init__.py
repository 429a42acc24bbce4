"""Events of a stream, their order, the frames that carry them on the broker, and the decoder of server-sent events."""
