"""The gateway's admin API."""
