"""Ownership of a request: which delivery serves it, and when the queue may drop its message.

The usage row is opened at the provider's first event, repeated until the broker confirms it, and then the message is
acked. From then on a crash of this worker ends the request with an error and never runs it again: a second generation
costs money. A lost ack changes nothing of that: the worker of the next delivery finds the row. If the row belongs to a
later delivery, this worker was paused for too long: it ends its call, and the other delivery keeps the request.

A request that ends before that is deleted from the queue when its row is stored, so that no crash loses both.
"""

import asyncio
import contextlib
from collections.abc import Callable

import structlog

from penstock_broker.queue import Delivery
from penstock_contract.errors import PenstockError
from penstock_contract.stream.events import Finished, UsageReported
from penstock_runtime.cancellation import cancel_and_wait
from penstock_worker.sessions.usage import RequestUsage

CONFIRM_AGAIN_S = 0.5
CONFIRM_AGAIN_MAX_S = 8.0
"""Upper bound of the pause after a failed confirmation, which doubles each time: a lost queue never confirms."""
CONFIRM_LATE_S = 2.0
"""Longest time for which a session that has ended waits for the broker to confirm its row."""

log = structlog.get_logger("penstock.worker")


class RequestOwnership:
    """`served_by` is another delivery that serves the request, 0 if none: then its row and message are left alone."""

    def __init__(self, request_id: str, delivery: Delivery, usage: RequestUsage) -> None:
        self.waiting_for_ack = True
        self.served_by = 0
        self._request_id = request_id
        self._delivery = delivery
        self._usage = usage
        self._confirming: asyncio.Task[None] | None = None
        self._closed = False
        self._is_late = False
        """True if `confirmed` has waited in vain."""

    async def served_elsewhere(self) -> bool:
        """True if the worker of an earlier delivery received its provider's first event."""
        if self._delivery.delivered > 1:
            # Served while the broker does not answer: only after a lost ack would that be a second generation.
            with contextlib.suppress(PenstockError):
                self.served_by = await self._usage.served_elsewhere()
        return self.served_by != 0

    def confirm(self, on_lost: Callable[[], None]) -> None:
        """Open the row, then ack, in a task of its own; `on_lost` is called if another delivery has the row."""
        self._confirming = asyncio.create_task(self._confirm(on_lost))

    async def confirmed(self) -> None:
        """Wait for the confirmation, at most `CONFIRM_LATE_S`."""
        if self._confirming is not None:
            await asyncio.wait([self._confirming], timeout=CONFIRM_LATE_S)
            self._is_late = not self._confirming.done()
            if not self._is_late:
                self._confirming.result()

    async def extend_ack_wait(self) -> None:
        """Restart the ack timer, while the provider has not answered or the broker has not confirmed the row."""
        if self.waiting_for_ack:
            await self._delivery.in_progress()

    async def close(self, usage: UsageReported | None, finished: Finished | None) -> None:
        """Close the row and take the message out of the queue."""
        self._closed = True
        if self._confirming is not None:
            self._confirming.cancel()
        if not self.served_by:
            self._usage.close_row(usage, finished)
        # The message of a later delivery stays: that worker's successor may need it.
        if self.waiting_for_ack and self.served_by <= self._delivery.delivered:
            try:
                if not (self.served_by or self._is_late):
                    # If this worker is killed before its row is stored, the worker of the next delivery writes one.
                    await self._usage.wait_stored(CONFIRM_LATE_S)
            finally:
                await self._delivery.discard()
        if self._confirming is not None:
            await cancel_and_wait(self._confirming)

    async def _confirm(self, on_lost: Callable[[], None]) -> None:
        """Repeat until the row is stored."""
        pause_s = CONFIRM_AGAIN_S
        while not self._closed:
            try:
                self.served_by = await self._usage.open_row()
            except PenstockError:
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, CONFIRM_AGAIN_MAX_S)
                continue
            if self.served_by:
                log.warning("worker.request_served_elsewhere", request_id=self._request_id)
                on_lost()
            elif not self._closed:
                await self._delivery.ack()
                self.waiting_for_ack = False
            return
