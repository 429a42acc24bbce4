"""The worker and the provider that serve one stream, and since when. Pure."""

from penstock_contract.stream.events import Accepted, Started
from penstock_contract.usage.record import NOTHING_UNANSWERED, Unanswered


class Serving:
    """`worker` is None while the request waits in the queue, since `published_at`; times are event-loop times.

    `workers` are all that accepted the request, in this order.
    """

    __slots__ = (
        "accepted_at",
        "incarnation",
        "provider",
        "published_at",
        "queued_s",
        "unanswered",
        "worker",
        "workers",
    )

    def __init__(self, now: float) -> None:
        self.worker: str | None = None
        self.workers: tuple[str, ...] = ()
        self.incarnation = 0
        self.provider: str | None = None
        self.unanswered = NOTHING_UNANSWERED
        self.published_at = now
        self.accepted_at: float | None = None
        self.queued_s: float | None = None

    def accept(self, event: Accepted, now: float, opened_at: float) -> None:
        self.worker = event.worker
        self.workers = (*self.workers, event.worker)
        self.incarnation = event.incarnation
        # The worker compares the clocks of two machines; the wait cannot be longer than the stream is open.
        self.queued_s = min(event.queued_s, now - opened_at)
        self.accepted_at = now

    def start(self, event: Started) -> None:
        self.provider = event.provider
        self.unanswered = Unanswered(event.unanswered_input, event.unanswered_cost)

    def drop_worker(self, now: float) -> None:
        """The worker was lost before its first event; the queue delivers the request to another."""
        self.worker = None
        self.accepted_at = None
        self.published_at = now
