"""The `penstock` command: chat, keys and usage."""
