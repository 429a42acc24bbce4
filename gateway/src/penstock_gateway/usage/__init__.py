"""Usage records that the gateway creates and closes."""
