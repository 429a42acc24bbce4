"""Metrics, the log line and the record of each request."""
