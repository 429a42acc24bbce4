"""Bytes to Structs and back: the only module that depends on the encoding on the broker.

msgpack between gateway and worker, JSON for what a person reads in the KV store. Every decoder raises
`msgspec.DecodeError` (`ValidationError` for well-formed bytes of the wrong shape) and nothing else.
"""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from penstock_contract.catalogue import CatalogueEntry
from penstock_contract.limits.api_keys import KeyRecord
from penstock_contract.limits.lease_record import LeaseRecord
from penstock_contract.request.operations import InferenceRequest
from penstock_contract.stream.descriptor import FindStream, FoundStream, StreamDescriptor
from penstock_contract.stream.frames import Activation, Batch, Control, GatewayHeartbeat, WorkerHeartbeat
from penstock_contract.usage.record import Checkpoint, GatewayPresence, UsageRow

Decoded = TypeVar("Decoded")

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""Exceptions that msgspec raises for invalid input: text that is not UTF-8 and unbounded nesting have errors of their
own."""


def _guarded(decode: Callable[[bytes], Decoded]) -> Callable[[bytes], Decoded]:
    def decode_or_refuse(data: bytes) -> Decoded:
        try:
            return decode(data)
        except (UnicodeDecodeError, RecursionError):
            # Without its cause, which would carry the bytes.
            raise msgspec.DecodeError("not UTF-8, or nested too deeply") from None

    return decode_or_refuse


encode = msgspec.msgpack.Encoder().encode

decode_batch = _guarded(msgspec.msgpack.Decoder(Batch).decode)
decode_control = _guarded(msgspec.msgpack.Decoder(Control).decode)
decode_request = _guarded(msgspec.msgpack.Decoder(InferenceRequest).decode)
decode_worker_heartbeat = _guarded(msgspec.msgpack.Decoder(WorkerHeartbeat).decode)
decode_activation = _guarded(msgspec.msgpack.Decoder(Activation).decode)
decode_gateway_heartbeat = _guarded(msgspec.msgpack.Decoder(GatewayHeartbeat).decode)
decode_find_stream = _guarded(msgspec.msgpack.Decoder(FindStream).decode)
decode_found_stream = _guarded(msgspec.msgpack.Decoder(FoundStream).decode)
decode_stream_descriptor = _guarded(msgspec.msgpack.Decoder(StreamDescriptor).decode)
decode_checkpoint = _guarded(msgspec.msgpack.Decoder(Checkpoint).decode)

encode_json = msgspec.json.Encoder().encode
decode_catalogue_entry = _guarded(msgspec.json.Decoder(CatalogueEntry).decode)
decode_key_record = _guarded(msgspec.json.Decoder(KeyRecord).decode)
decode_gateway_presence = _guarded(msgspec.json.Decoder(GatewayPresence).decode)
decode_usage_row = _guarded(msgspec.json.Decoder(UsageRow).decode)
decode_lease_record = _guarded(msgspec.json.Decoder(LeaseRecord).decode)
