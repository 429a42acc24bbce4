"""The record of one stream: what usage records, metrics and the request log read of it.

A frozen snapshot, so that the stream's own state has one writer. Times are event-loop times.
"""

from msgspec import Struct

from penstock_contract.errors import ErrorDetail
from penstock_contract.stream.events import Finished, UsageReported
from penstock_contract.subjects import ANONYMOUS_TENANT
from penstock_contract.usage.record import NOTHING_UNANSWERED, Unanswered


class StreamRecord(Struct, frozen=True, kw_only=True):
    """One request at the moment of the snapshot.

    `workers` are all that accepted the request, in this order; `worker` is the one that serves it. `attempt` is the
    number of the delivery that the client receives, 0 before the first. `last_event_at` is `opened_at` before the
    first event.
    """

    request_id: str
    tenant: str = ANONYMOUS_TENANT
    opened_at: float
    last_event_at: float
    first_delta_at: float | None = None
    queued_s: float | None = None
    attempt: int = 0
    started: bool = False
    worker: str | None = None
    workers: tuple[str, ...] = ()
    provider: str | None = None
    deltas: int = 0
    text_length: int = 0
    usage: UsageReported | None = None
    unanswered: Unanswered = NOTHING_UNANSWERED
    finished: Finished | None = None
    error: ErrorDetail | None = None

    @property
    def first_token_s(self) -> float | None:
        """Seconds from the request's arrival to the first piece of its answer."""
        return None if self.first_delta_at is None else self.first_delta_at - self.opened_at
