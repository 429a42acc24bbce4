"""A request that is about to be queued, with what its stream's rendering and reports need."""

from typing import NamedTuple

from penstock_contract.catalogue import Resolution
from penstock_contract.request.operations import Operation
from penstock_contract.stream.descriptor import Rendering
from penstock_gateway.access.request_context import RequestContext
from penstock_gateway.streaming.renderers.dialects import REPEATED


class BegunRequest(NamedTuple):
    """A validated request; `progress` is True if its client wants reports while it waits."""

    resolution: Resolution
    operation: Operation
    rendering: Rendering
    context: RequestContext
    progress: bool = False

    @property
    def bounded(self) -> bool:
        """True if the last event repeats the answer."""
        return self.rendering.dialect in REPEATED
