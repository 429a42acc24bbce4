"""Requests of Anthropic's Messages API in the form of OpenAI's chat completions."""
