"""OpenAI's older Completions API: events to text completions, streamed or whole."""
