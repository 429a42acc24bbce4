"""The AI SDK: the bodies of `useChat`, the chat completion that they become, and the chunks of its UI message stream."""
