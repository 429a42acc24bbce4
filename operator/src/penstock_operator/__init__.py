"""The operator: creates the workers of each ModelRoute, scales them by demand, and reports their state in its status.

Pure modules decide (`plan`, `conditions`, `decision`), I/O modules apply the decision. `composition` builds the parts.
"""
