"""The operator: turns each ModelRoute into workers, scales them by demand, and says in its status what is true.

Pure modules decide (`decide`, `plan`, `pods`, `status`), thin shells do; only `cluster` imports the Kubernetes client.
"""
