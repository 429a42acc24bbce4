"""One request in a worker: session, provider calls, reply stream, usage."""
