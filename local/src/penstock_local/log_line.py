"""A child's log line for a person: what matters of it, or nothing.

Our processes write JSON objects, nats-server its own form, and a Python that fails to start plain text.
"""

import re
from typing import Any

import msgspec

_NATS = re.compile(r"^\[\d+\] \S+ \S+ \[(?P<level>[A-Z]{3})\] ?(?P<text>.*)$")
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50, "exception": 40}
_NATS_LEVELS = {"TRC": 10, "DBG": 10, "INF": 20, "WRN": 30, "ERR": 40, "FTL": 50}
INFO, WARNING, ERROR = 20, 30, 40
_HIDDEN_FIELDS = frozenset({"event", "level", "timestamp", "service", "exception", "logger"})


def readable(line: str, *, level: int = WARNING) -> str | None:
    """The line to show, without whose it is; None if it is empty or below `level`. Plain text is always shown."""
    if not line.strip():
        return None
    if (nats := _NATS.match(line)) is not None:
        return nats["text"] if _NATS_LEVELS.get(nats["level"], ERROR) >= level and nats["text"] else None
    if line.startswith("{"):
        try:
            event = msgspec.json.decode(line, type=dict[str, Any])
        except msgspec.DecodeError:
            return line
        return _event(event) if _LEVELS.get(event.get("level", ""), ERROR) >= level else None
    return line


def _event(event: dict[str, Any]) -> str:
    fields = " ".join(f"{name}={value}" for name, value in event.items() if name not in _HIDDEN_FIELDS)
    first = f"{event.get('level', 'info')}: {event.get('event', '')} {fields}".rstrip()
    return "\n".join([first, *str(event.get("exception", "")).splitlines()])
