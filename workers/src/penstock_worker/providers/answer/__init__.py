"""Readers that all adapters share: lenient values, finish reasons, token counts, tool calls."""
