"""The example of a message's stream in the OpenAPI document."""

import msgspec

from penstock_contract.anthropic.responses import MessageStreamEvent
from penstock_gateway.api.openapi.examples import STREAMS


def test_openapi_example_of_a_message_stream_is_a_possible_answer() -> None:
    *events, rest = STREAMS["MessageStreamEvent"].split("\n\n")

    assert rest == ""
    for event in events:
        name, _, data = event.removeprefix("event: ").partition("\ndata: ")
        assert msgspec.json.decode(data.encode(), type=MessageStreamEvent).type == name
