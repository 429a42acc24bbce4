"""The AI SDK: the bodies of `useChat`, the chat completion that they become, chunks of its UI message stream."""
