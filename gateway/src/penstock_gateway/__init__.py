"""HTTP in, server-sent events out: validates a request, queues it, and streams what its worker says.

It knows no provider; it meets the workers in `penstock_contract`.
"""
