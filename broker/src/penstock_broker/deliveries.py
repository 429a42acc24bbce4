"""What a subscription does with a message: errors of one message are logged and do not end the subscription."""

from collections.abc import Awaitable, Callable

import msgspec
import structlog
from nats.aio.msg import Msg
from nats.errors import Error

log = structlog.get_logger("penstock.broker")

Replier = Callable[[bytes], bytes] | Callable[[bytes], Awaitable[bytes]]
"""Makes the reply to a request."""
Callback = Callable[[str, bytes], None]
"""Called with subject and payload; must not block. Its exceptions are logged and dropped."""


def guarded(subject: str, callback: Callback) -> Callable[[Msg], Awaitable[None]]:
    """Calls `callback(subject, data)` for each message; a message that it cannot read does not end the subscription."""

    async def deliver(message: Msg) -> None:
        try:
            callback(message.subject, message.data)
        except msgspec.DecodeError:
            # Without the message's content: a sender of unreadable messages must not fill the log with them.
            log.warning("broker.message_unreadable", subject=subject, bytes=len(message.data))
        except Exception:
            # The root of this subscription's task: one bad message must not end it.
            log.exception("broker.callback_failed", subject=subject)

    return deliver


def replying(subject: str, reply: Replier) -> Callable[[Msg], Awaitable[None]]:
    """Answers each request with `reply(data)`; a request that it cannot read gets no answer."""

    async def deliver(message: Msg) -> None:
        try:
            made = reply(message.data)
            await message.respond(made if isinstance(made, bytes) else await made)
        except (msgspec.DecodeError, Error) as error:
            log.warning("broker.request_not_answered", subject=subject, error=type(error).__name__)
        except Exception:
            # The root of this subscription's task: one bad request must not end it.
            log.exception("broker.callback_failed", subject=subject)

    return deliver
