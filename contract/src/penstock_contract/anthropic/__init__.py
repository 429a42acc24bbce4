"""Anthropic's Messages API: its request and the treatment of its fields at each type of provider, its responses and errors."""
