"""Keys, their limits, and the record from which gateways lease."""
