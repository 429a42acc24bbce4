"""The first events of a stream are left out, whatever a renderer makes of one event."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock_contract.errors import ErrorDetail
from penstock_contract.openai_responses.request import ResponseRequest
from penstock_contract.openai_responses.response import begun
from penstock_contract.openai_responses.stored import ResponseRendering
from penstock_contract.stream.descriptor import Rendering
from penstock_contract.stream.events import Event, Failed, Finished, TextDelta, UsageReported
from penstock_gateway.resume.event_skipper import END, EventSkipper
from penstock_gateway.streaming.renderers.dialects import CHAT, DIALECTS, RESPONSES, SIMPLE, renderer_of
from penstock_gateway.streaming.renderers.renderer import Renderer

OPTIONS = {
    CHAT: b'{"include_usage":true}',
    RESPONSES: msgspec.json.encode(
        ResponseRendering(begun("resp_1", 1, ResponseRequest(model="m"), store=False), encrypted=False)
    ),
}
ANSWER: list[Event] = [TextDelta("a"), TextDelta("b\n\nc"), UsageReported(1, 2), Finished("stop")]
LOST: list[Event] = [TextDelta("a"), Failed(ErrorDetail("worker_lost", "lost"))]


def make(dialect: str) -> Renderer:
    options = OPTIONS.get(dialect, b"{}")
    renderer = renderer_of("req_1", Rendering(dialect, "m", 1, options))
    assert renderer is not None
    return renderer


def whole(renderer: Renderer, events: list[Event]) -> bytes:
    return b"".join(renderer.render(event) for event in events)


@pytest.mark.parametrize("events", [ANSWER, LOST])
@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_event_skipper_leaves_out_each_number_of_events(dialect: str, events: list[Event]) -> None:
    undisturbed = whole(make(dialect), events)
    parts = undisturbed.split(END)[:-1]
    for count in range(1, len(parts) + 1):
        rest = b"".join(part + END for part in parts[count:])
        assert whole(EventSkipper(make(dialect), count), events) == rest


def test_event_skipper_sends_the_error_of_a_stream_that_is_shorter_than_what_the_client_has() -> None:
    assert whole(EventSkipper(make(SIMPLE), 99), LOST).startswith(b"event: error\n")
    assert whole(EventSkipper(make(SIMPLE), 99), ANSWER) == b""


@given(st.integers(1, 5))
def test_event_skipper_gives_no_constant_bytes_before_its_last_event(count: int) -> None:
    skipper = EventSkipper(make(CHAT), count)
    for _ in range(count):
        assert skipper.around_text() is None
        skipper.render(TextDelta("x"))
    assert skipper.around_text() == make(CHAT).around_text() or skipper.around_text() is not None


def test_dialects_have_no_renderer_of_a_later_version() -> None:
    assert renderer_of("req_1", Rendering("later", "m", 1)) is None
