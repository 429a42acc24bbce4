"""Translates errors of nats-py into `broker_unavailable`, the one error that callers of this package handle.

Only this package imports `nats`, so no other package can catch its errors.
"""

import contextlib
from collections.abc import Generator
from typing import Final

import structlog
from nats.errors import Error

from penstock_contract.errors import PenstockError

NOT_CONNECTED: Final = "there is no connection to the message broker"
NO_ANSWER: Final = "the message broker does not answer"
RETRY_AFTER_S: Final = 1
DETAIL_MAX: Final = 200

log = structlog.get_logger("penstock.broker")


def broker_unavailable(message: str = NO_ANSWER) -> PenstockError:
    return PenstockError("broker_unavailable", message, retry_after_s=RETRY_AFTER_S)


@contextlib.contextmanager
def translated(message: str | None = None, *, event: str | None = None) -> Generator[None, None, None]:
    """Raise `broker_unavailable` for an error of nats-py, of the socket, or a timeout.

    Without `message` the error's own text is in it: only for callers in the control plane, as that text may name a
    stream. `event` logs the text where the message must not contain it.
    """
    try:
        yield
    except (Error, TimeoutError, OSError) as error:
        detail = str(error)[:DETAIL_MAX] or type(error).__name__
        if event is not None:
            log.warning(event, error=type(error).__name__, detail=detail)
        raise broker_unavailable(message or f"the message broker refused: {detail}") from error
