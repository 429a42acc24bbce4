"""Anthropic's Messages API: request, treatment of its fields per type of provider, responses, errors."""
