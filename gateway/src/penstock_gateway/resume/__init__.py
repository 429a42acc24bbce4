"""Streams beyond their connection: read again from any gateway, stopped, kept after a disconnect."""
