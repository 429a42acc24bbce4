"""Cloudflare Workers AI's native API."""
