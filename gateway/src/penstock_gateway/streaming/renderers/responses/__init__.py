"""Events to the stream and the whole answer of OpenAI's Responses API; pure."""
