"""The fleet for the admin API: this gateway's metrics, the other gateways' reports, heartbeats, queues and usage."""
