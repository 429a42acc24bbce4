"""Rate limits, concurrency limits and budgets, which hold over all gateways."""
