"""The bodies of the AI SDK's `useChat`, and the chat completion that they become."""
