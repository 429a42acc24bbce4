"""Renders a stream again: its dialect's renderer, and the kept frames that a reader begins with."""

import asyncio

from penstock_contract.errors import PenstockError
from penstock_contract.stream.descriptor import Rendering
from penstock_contract.stream.frames import Frame
from penstock_gateway.resume.event_skipper import EventSkipper
from penstock_gateway.streaming.renderers.dialects import renderer_of
from penstock_gateway.streaming.renderers.renderer import Renderer
from penstock_gateway.streaming.stream import Stream


def fed(reader: Stream, frames: list[Frame]) -> bool:
    """Feed the kept frames. True if they hold the end."""
    now = asyncio.get_running_loop().time()
    for frame in frames:
        reader.feed(frame.attempt, frame.seq, frame.event, now)
    return reader.done.done()


def renderer_after(id_: str, rendering: Rendering, after: int) -> Renderer:
    renderer = renderer_of(id_, rendering)
    if renderer is None:
        raise PenstockError("internal_error", "this gateway's version cannot render the stream; use another gateway")
    return EventSkipper(renderer, after) if after else renderer
