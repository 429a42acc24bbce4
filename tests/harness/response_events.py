"""Reads the stream of a response: each event has its type in `event:` and in its data."""

import json
from typing import Any


def events_of(body: str) -> list[dict[str, Any]]:
    """All events of a body that has ended; comments are left out."""
    found = []
    for block in body.split("\n\n"):
        lines = [line for line in block.split("\n") if line and not line.startswith(":")]
        if lines:
            name, text = lines
            event = json.loads(text.removeprefix("data: "))
            assert name == f"event: {event['type']}"
            found.append(event)
    return found
