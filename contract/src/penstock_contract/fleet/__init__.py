"""The state of an installation: what gateways report to each other, and what the admin API shows of it."""
