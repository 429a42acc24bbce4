"""Usage records: tokens, cost and outcome of a request, and their report."""
