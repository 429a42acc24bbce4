"""A child's log line for a person: what matters of it, or nothing.

Our processes write JSON objects, nats-server its own form, and a Python that fails to start plain text.
"""

import re
from typing import Any, Final

import msgspec

from penstock_local.terminal import request_lines

_NATS = re.compile(r"^\[\d+\] \S+ \S+ \[(?P<level>[A-Z]{3})\] ?(?P<text>.*)$")
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50, "exception": 40}
_NATS_LEVELS = {"TRC": 10, "DBG": 10, "INF": 20, "WRN": 30, "ERR": 40, "FTL": 50}
INFO, WARNING, ERROR = 20, 30, 40
ANSWERED: Final = '"event":"gateway.request_ended"'
"""In the line of each request that a route has served."""
_HIDDEN_FIELDS = frozenset({"event", "level", "timestamp", "service", "exception", "logger"})


class Readable(msgspec.Struct, frozen=True):
    """A line to show, without whose it is.

    Warnings of one `cause` mostly come in bursts of equal meaning: all of the broker's during an outage. None: plain
    text and errors, each of which is shown.
    """

    text: str
    cause: str | None = None


def readable(line: str, *, level: int = WARNING) -> Readable | None:
    """The line to show; None if it is empty or below `level`. Plain text is always shown."""
    if not line.strip():
        return None
    if (nats := _NATS.match(line)) is not None:
        return Readable(nats["text"]) if _NATS_LEVELS.get(nats["level"], ERROR) >= level and nats["text"] else None
    if line.startswith("{"):
        if level > INFO and '"level":"info"' in line and (level > WARNING or ANSWERED not in line):
            # One for each request: not worth taking apart to find out that it is not shown.
            return None
        try:
            event = msgspec.json.decode(line, type=dict[str, Any])
        except msgspec.DecodeError:
            return Readable(line)
        if (sentence := request_lines.sentence(event)) is not None and level == WARNING:
            return Readable(sentence)
        return _event(event) if _LEVELS.get(event.get("level", ""), ERROR) >= level else None
    return Readable(line)


def _event(event: dict[str, Any]) -> Readable:
    fields = " ".join(f"{name}={_one_line(value)}" for name, value in event.items() if name not in _HIDDEN_FIELDS)
    name = str(event.get("event", ""))
    first = f"{event.get('level', 'info')}: {_one_line(name)} {fields}".rstrip()
    text = "\n".join([first, *str(event.get("exception", "")).splitlines()])
    return Readable(text, name.partition(".")[0] if event.get("level") == "warning" else None)


def _one_line(value: object) -> str:
    return " ".join(str(value).split())
