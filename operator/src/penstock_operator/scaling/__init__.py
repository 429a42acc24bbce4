"""How many workers a route should have, and which of them go: pure decisions on what was observed, with a given clock.

Nothing here knows a broker, an API server or a task; docs/operations/scaling.md describes the rules.
"""
