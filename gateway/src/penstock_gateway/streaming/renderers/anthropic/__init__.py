"""Events as messages of Anthropic's API: as a stream, and whole."""
