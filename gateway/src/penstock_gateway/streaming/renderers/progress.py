"""A report on a waiting request, in the client's dialect: a comment, unless the dialect has a form for it. Pure."""

from typing import Protocol, runtime_checkable

from msgspec import Struct

from penstock_gateway.streaming.renderers.renderer import Renderer, encode_json


class Progress(Struct, frozen=True):
    """`position` counts from 1, None if it is not known."""

    position: int | None
    cause: str


@runtime_checkable
class ProgressRenderer(Protocol):
    """A renderer with a form of its own."""

    def progress(self, report: Progress) -> bytes: ...


def progress_of(renderer: Renderer, position: int | None, cause: str) -> bytes:
    report = Progress(position, cause)
    if isinstance(renderer, ProgressRenderer):
        return renderer.progress(report)
    return b": queued " + encode_json(report) + b"\n\n"
