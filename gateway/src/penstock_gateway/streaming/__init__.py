"""A request on its way to a worker and the stream back to the client."""
