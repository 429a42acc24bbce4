"""The readers of a stream in this gateway: each is a `Stream` with a renderer, an output and timeouts of its own."""

import asyncio
import math

from msgspec.structs import replace

from penstock_contract.route.limits import LimitsSpec
from penstock_contract.stream.descriptor import StreamDescriptor
from penstock_gateway.resume.stream_table import StreamTable
from penstock_gateway.streaming.registry import StreamRegistry
from penstock_gateway.streaming.renderers.renderer import Renderer
from penstock_gateway.streaming.stream import Stream

UNLIMITED = replace(LimitsSpec(), queue_timeout_seconds=math.inf, request_timeout_seconds=math.inf)
"""Of a reader: the timeouts of a request apply to its stream."""


class Readers:
    def __init__(self, registry: StreamRegistry, table: StreamTable) -> None:
        self._registry = registry
        self._table = table

    def open(self, descriptor: StreamDescriptor, renderer: Renderer) -> Stream:
        """A further output of a stream, registered."""
        now = asyncio.get_running_loop().time()
        reader = Stream(
            descriptor.stream,
            descriptor.id,
            descriptor.route,
            UNLIMITED,
            renderer,
            now,
            tenant=descriptor.tenant,
            is_reader=True,
        )
        self._registry.add(reader)
        known = self._table.stream(descriptor.id)
        if known is not None and known.readers is not None:
            known.readers.opened()
        return reader

    def end(self, stream: Stream) -> None:
        """Give the readers here an end that the gateway made: no frame has it."""
        if stream.error is not None and not stream.ended_by_worker:
            for member in self._registry.members(stream.id):
                # A reader that is behind gets what it lacks, and then the end, from the worker.
                if stream.serving.worker is None or member.protocol.next_seq >= stream.protocol.next_seq:
                    member.fail(stream.error)
