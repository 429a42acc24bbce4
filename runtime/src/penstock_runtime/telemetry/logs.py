"""Structured logs on stderr: one JSON object a line, a constant dotted event name plus fields.

Our own events take structlog's short way, other libraries' records go through the same rendering. Fields are ids,
codes, names and numbers; never a prompt, an answer, a key or a header.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO, cast

import msgspec
import structlog

from penstock_runtime.telemetry.batched_stream import BatchedStream


def _render(_logger: object, _name: str, event: MutableMapping[str, Any]) -> str:
    return msgspec.json.encode(event, enc_hook=repr).decode()


def configure(service: str, *, level: str = "INFO", batched: bool = False) -> None:
    """Set up logging for the process; call once, from a composition root.

    `batched`: lines are written by a thread, for a process that must not wait for the reader of its log.
    """
    stream = BatchedStream(sys.stderr) if batched else sys.stderr

    def add_service(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["service"] = service
        return event

    shared: list[structlog.types.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        add_service,
    ]
    structlog.configure(
        processors=[*shared, _render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, stream)),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
