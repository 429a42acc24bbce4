"""Access control: API keys, principals and the request context."""
