"""A request that is about to be queued, with what its stream's rendering and reports need."""

import asyncio
from typing import NamedTuple

from penstock_contract.catalogue import Resolution
from penstock_contract.request.operations import Operation
from penstock_contract.stream.descriptor import Rendering
from penstock_gateway.access.request_context import RequestContext
from penstock_gateway.streaming.renderers.dialects import REPEATED
from penstock_gateway.streaming.stream import Stream


class PreparedRequest(NamedTuple):
    """A validated request; its client gets reports after `progress_after_s` in the queue, None for never."""

    resolution: Resolution
    operation: Operation
    rendering: Rendering
    context: RequestContext
    progress_after_s: float | None

    def start_progress(self, owner: Stream, output: Stream) -> None:
        """Commit `output` when the client is to be sent reports, so that it has a response to read them in."""
        if self.progress_after_s is None:
            return
        if self.progress_after_s <= 0:
            output.commit()
            return

        def commit() -> None:
            if owner.serving.accepted_at is None and not owner.done.done():
                output.commit()

        asyncio.get_running_loop().call_later(self.progress_after_s, commit)

    def reports(self, owner: Stream) -> bool:
        """True if the request still waits, and its client gets reports."""
        return self.progress_after_s is not None and owner.serving.accepted_at is None

    @property
    def bounded(self) -> bool:
        """True if the last event repeats the answer."""
        return self.rendering.dialect in REPEATED
