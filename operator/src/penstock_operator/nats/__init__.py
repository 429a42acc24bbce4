"""NATS credentials: JWTs, keys, and the Secrets of workers."""
