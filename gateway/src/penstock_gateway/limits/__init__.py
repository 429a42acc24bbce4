"""Rate limits, concurrency limits and budgets: leases of the records in NATS."""
