"""Watches of the API server: events, the cache that they fill, its resynchronization, and their liveness."""
