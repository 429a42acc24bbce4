"""Open streams: from a validated request to the queue, and from a worker's frames to the client's bytes."""
