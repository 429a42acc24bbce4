"""Bytes to Structs and back: the only module that knows the encoding on the broker.

msgpack between gateway and worker, JSON for what a person reads in the KV store. Every decoder raises
`msgspec.DecodeError` (`ValidationError` for well-formed bytes of the wrong shape).
"""

import msgspec

from penstock_contract.catalogue import CatalogueEntry
from penstock_contract.frames import Batch, Control, GatewayHeartbeat, WorkerHeartbeat
from penstock_contract.requests import InferenceRequest

encode = msgspec.msgpack.Encoder().encode

decode_batch = msgspec.msgpack.Decoder(Batch).decode
decode_control = msgspec.msgpack.Decoder(Control).decode
decode_request = msgspec.msgpack.Decoder(InferenceRequest).decode
decode_worker_heartbeat = msgspec.msgpack.Decoder(WorkerHeartbeat).decode
decode_gateway_heartbeat = msgspec.msgpack.Decoder(GatewayHeartbeat).decode

encode_json = msgspec.json.Encoder().encode
decode_catalogue_entry = msgspec.json.Decoder(CatalogueEntry).decode
