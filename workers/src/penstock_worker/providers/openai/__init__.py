"""OpenAI's Chat Completions and Embeddings APIs, and Azure OpenAI."""
