"""OpenAI's Responses API: its requests, their translation into a chat completion, its responses and stream events."""
