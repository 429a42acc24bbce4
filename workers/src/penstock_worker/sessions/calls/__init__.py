"""Calls of providers for one request: their order, retries, circuit breakers, and one call."""
