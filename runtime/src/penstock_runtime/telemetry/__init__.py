"""Spans, metrics and logs: the names, how they are switched on, and how trace context crosses the broker.

Nothing here is called per token. No attribute, label or log field holds a prompt, an answer or a key.
"""
