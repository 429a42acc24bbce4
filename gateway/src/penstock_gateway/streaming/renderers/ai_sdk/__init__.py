"""The AI SDK's UI message stream: events to chunks."""
