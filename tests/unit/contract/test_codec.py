"""The codec decodes messages as they were encoded, and raises one error for any other bytes."""

import contextlib
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.support.structs import values

from penstock_contract import codec
from penstock_contract.catalogue import CatalogueEntry
from penstock_contract.fleet.gateway_report import GatewayReport
from penstock_contract.limits.api_keys import KeyRecord
from penstock_contract.limits.lease_record import LeaseRecord
from penstock_contract.request.operations import InferenceRequest
from penstock_contract.stream.descriptor import FindStream, FoundStream, StreamDescriptor
from penstock_contract.stream.events import Embedded, Event, TextDelta
from penstock_contract.stream.frames import Activation, Batch, Control, Frame, GatewayHeartbeat, WorkerHeartbeat
from penstock_contract.usage.record import Checkpoint, GatewayPresence, UsageRow

Encode = Callable[[Any], bytes]
Decode = Callable[[bytes], Any]

WIRE: dict[str, tuple[Any, Encode]] = {
    "decode_batch": (Batch, codec.encode),
    "decode_control": (Control, codec.encode),
    "decode_request": (InferenceRequest, codec.encode),
    "decode_worker_heartbeat": (WorkerHeartbeat, codec.encode),
    "decode_activation": (Activation, codec.encode),
    "decode_gateway_heartbeat": (GatewayHeartbeat, codec.encode),
    "decode_catalogue_entry": (CatalogueEntry, codec.encode_json),
    "decode_key_record": (KeyRecord, codec.encode_json),
    "decode_lease_record": (LeaseRecord, codec.encode_json),
    "decode_gateway_report": (GatewayReport, codec.encode),
    "decode_find_stream": (FindStream, codec.encode),
    "decode_found_stream": (FoundStream, codec.encode),
    "decode_stream_descriptor": (StreamDescriptor, codec.encode),
    "decode_checkpoint": (Checkpoint, codec.encode),
    "decode_gateway_presence": (GatewayPresence, codec.encode_json),
    "decode_usage_row": (UsageRow, codec.encode_json),
}
DECODERS = [getattr(codec, name) for name in WIRE]


def test_codec_decoders_are_all_tested_here() -> None:
    assert set(WIRE) == {name for name in vars(codec) if name.startswith("decode_")}


@pytest.mark.parametrize("name", WIRE)
@given(data=st.data())
def test_codec_decodes_every_struct_of_the_broker_as_it_was_encoded(name: str, data: st.DataObject) -> None:
    kind, encode = WIRE[name]
    sent = data.draw(values(kind))

    arrived = getattr(codec, name)(encode(sent))

    assert arrived == sent
    assert type(arrived) is type(sent)


@given(values(Event))
def test_codec_keeps_the_type_of_every_event(event: Event) -> None:
    [frame] = codec.decode_batch(codec.encode(Batch("w", [Frame(1, 1, 0, event)]))).frames

    assert frame.event == event
    assert type(frame.event) is type(event)


@pytest.mark.parametrize("decode", DECODERS, ids=WIRE)
@given(st.binary(max_size=200))
def test_codec_raises_only_a_decode_error_for_random_bytes(decode: Decode, noise: bytes) -> None:
    _decodes_or_refuses(decode, noise)


@pytest.mark.parametrize("name", WIRE)
@given(data=st.data())
def test_codec_raises_only_a_decode_error_for_damaged_messages(name: str, data: st.DataObject) -> None:
    kind, encode = WIRE[name]
    whole = bytearray(encode(data.draw(values(kind))))
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] = data.draw(st.integers(0, 255))

    _decodes_or_refuses(getattr(codec, name), bytes(whole[: data.draw(st.integers(0, len(whole)))]))


@pytest.mark.parametrize(
    ("decode", "nested"),
    [
        (codec.decode_request, b"\x81\xa1x" + b"\x91" * 100_000),
        (codec.decode_catalogue_entry, b'{"x":' + b"[" * 100_000),
    ],
    ids=["msgpack", "json"],
)
def test_codec_raises_a_decode_error_for_endless_nesting(decode: Decode, nested: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode(nested)


def test_codec_rejects_an_event_of_a_newer_version() -> None:
    with pytest.raises(msgspec.DecodeError):
        codec.decode_batch(msgspec.msgpack.encode(["w", [[1, 1, 0, [99, "new"]]]]))


def test_codec_ignores_a_field_that_a_newer_version_appends_to_an_event() -> None:
    data = msgspec.msgpack.encode(["w", [[1, 1, 0, [2, "text", "new"]]]])

    assert codec.decode_batch(data).frames[0].event == TextDelta("text")


def test_codec_adds_at_most_twenty_bytes_to_a_frame_of_text() -> None:
    frame = Frame(2**62, 1, 1000, TextDelta("water"))

    assert len(codec.encode(frame)) - len("water") <= 20


def test_codec_tags_are_wire_format_and_never_change() -> None:
    tags = {kind.__name__: kind.__struct_config__.tag for kind in Event.__args__}

    assert tags == {
        "Accepted": 0,
        "Started": 1,
        "TextDelta": 2,
        "ReasoningDelta": 3,
        "ToolCallDelta": 4,
        "UsageReported": 5,
        "Finished": 6,
        "Failed": 7,
        "Embedded": 8,
        "RefusalDelta": 9,
        "AnswerFields": 10,
        "NativeEvent": 20,
        "ChoiceSwitched": 11,
        "ChoiceFinished": 12,
    }


def test_codec_encodes_a_vector_as_bytes() -> None:
    data = codec.encode(Batch("w", [Frame(1, 1, 0, Embedded(0, b"\x00\x00\x80\x3f"))]))

    assert b"\x00\x00\x80\x3f" in data


def _decodes_or_refuses(decode: Decode, data: bytes) -> None:
    with contextlib.suppress(msgspec.DecodeError):
        decode(data)
