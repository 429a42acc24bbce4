"""Delivers the messages of a subscription: errors of one message are logged and do not end the connection."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import msgspec
import structlog
from nats.errors import Error

from penstock_broker.client.socket_transport import Receive

log = structlog.get_logger("penstock.broker")

Callback = Callable[[str, bytes], None]
"""Called with subject and payload; must not block. Its exceptions are logged and dropped."""


def guarded(subject: str, callback: Callback) -> Receive:
    """Calls `callback(subject, data)` for each message; one that it cannot read is logged without its content."""

    def deliver(received_on: str, _reply: str, _headers: bytes, data: bytes) -> None:
        try:
            callback(received_on, data)
        except msgspec.DecodeError:
            # Without the message's content: a sender of unreadable messages must not fill the log with them.
            log.warning("broker.message_unreadable", subject=subject, bytes=len(data))
        except Exception:
            # Above this is the socket's `data_received`: one bad message must not end the connection.
            log.exception("broker.callback_failed", subject=subject)

    return deliver


def replying(subject: str, reply: Callable[[bytes], bytes], publish: Callable[[str, bytes], None]) -> Receive:
    """Answers each request with `reply(data)`; a request that it cannot read gets no answer."""

    def deliver(_received_on: str, reply_to: str, _headers: bytes, data: bytes) -> None:
        try:
            publish(reply_to, reply(data))
        except (msgspec.DecodeError, Error) as error:
            log.warning("broker.request_not_answered", subject=subject, error=type(error).__name__)
        except Exception:
            # As above.
            log.exception("broker.callback_failed", subject=subject)

    return deliver


def replying_later(
    subject: str,
    reply: Callable[[bytes], Awaitable[bytes]],
    publish: Callable[[str, bytes], None],
    spawn: Callable[[Coroutine[Any, Any, None]], None],
) -> Receive:
    """As `replying`, with a reply that takes a while: a task that `spawn` owns makes it."""

    async def answer(reply_to: str, data: bytes) -> None:
        try:
            publish(reply_to, await reply(data))
        except (msgspec.DecodeError, Error) as error:
            log.warning("broker.request_not_answered", subject=subject, error=type(error).__name__)
        except Exception:
            # The task's root.
            log.exception("broker.callback_failed", subject=subject)

    return lambda _received_on, reply_to, _headers, data: spawn(answer(reply_to, data))
