"""HTTP in, server-sent events out: validates a request, queues it, and streams the answer of its worker.

Depends on no provider: gateway and workers share `penstock_contract` only.
"""
