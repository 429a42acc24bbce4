"""What a worker publishes for one request: events, their order, and the frames that carry them; the SSE decoder."""
