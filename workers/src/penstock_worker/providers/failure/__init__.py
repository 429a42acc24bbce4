"""A provider's error response: its meaning, its message, and what is removed from it."""
