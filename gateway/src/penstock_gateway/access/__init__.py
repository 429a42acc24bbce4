"""Who may send a request: API keys and principals."""
