"""The bytes of the AI SDK's UI message stream. tests/clients checks them by the SDK's own schema."""

from typing import Any

import msgspec
import pytest
from unit.support.ui_streams import STREAMS

from penstock_contract.ai_sdk.ui_chunks import UIMessageChunk
from penstock_contract.stream.events import Event
from penstock_gateway.streaming.renderers.ai_sdk.ui_stream import UIStreamRenderer
from penstock_gateway.streaming.renderers.progress import Progress


def render(*events: Event) -> bytes:
    renderer = UIStreamRenderer("msg_1", "gpt", "req_1")
    return b"".join(renderer.render(event) for event in events)


def test_ui_stream_reports_progress_as_a_transient_part() -> None:
    report = UIStreamRenderer("msg_1", "gpt", "req_1").progress(Progress(2, "all workers are busy"))

    assert report == (
        b'data: {"type":"data-queued","data":{"position":2,"cause":"all workers are busy"},"transient":true}\n\n'
    )


@pytest.mark.parametrize("case", STREAMS)
def test_ui_stream_has_exactly_these_bytes(case: str) -> None:
    events, expected = STREAMS[case]

    assert render(*events) == expected


@pytest.mark.parametrize("case", STREAMS)
def test_ui_stream_chunks_are_those_of_the_contract(case: str) -> None:
    decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(UIMessageChunk)

    for event in STREAMS[case][1].decode().split("\n\n")[:-2]:
        decoder.decode(event.removeprefix("data: "))
