"""Leaves out the first events of a stream, which its client has had."""

from penstock_contract.stream.events import Event, Failed
from penstock_gateway.streaming.renderers.renderer import Renderer

END = b"\n\n"
"""The end of an event. JSON text contains no line end."""


class EventSkipper:
    """A renderer that renders everything but the first `count` events of the wire; comments are none."""

    __slots__ = ("_left", "_renderer")

    def __init__(self, renderer: Renderer, count: int) -> None:
        self._renderer = renderer
        self._left = count

    def render(self, event: Event) -> bytes:
        data = self._renderer.render(event)
        if not self._left:
            return data
        at = 0
        while self._left and (end := data.find(END, at)) >= 0:
            at = end + len(END)
            self._left -= 1
        if self._left and type(event) is Failed:
            # The client has had more than is left of this stream: without its end it would wait for ever.
            return data
        return data[at:]

    def around_text(self) -> tuple[bytes, bytes] | None:
        """The constant bytes around a text, None while events are left out."""
        around = getattr(self._renderer, "around_text", None)
        if self._left or around is None:
            return None
        found: tuple[bytes, bytes] | None = around()
        return found


class NoOutput:
    """The renderer of a stream whose readers have their own."""

    __slots__ = ()

    def render(self, event: Event) -> bytes:
        del event
        return b""

    def around_text(self) -> tuple[bytes, bytes] | None:
        """Never called for a stream without a writer."""
        return None
