"""Responses of OpenAI's Responses API beyond their connection: stored, continued, run in the background."""
