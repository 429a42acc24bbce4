"""The frames that a worker publishes for one request: events, their order, and the frames that carry them."""
