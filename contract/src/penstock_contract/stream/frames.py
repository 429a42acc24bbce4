"""Messages between gateway and worker on the broker, besides the request itself.

One NATS message per token saturated a core where framed batches did not (ADR 0002), so a worker puts the frames
of all its streams towards one gateway into one `Batch`.
"""

from typing import Annotated

from msgspec import Meta, Struct

from penstock_contract.error_codes import ErrorCode
from penstock_contract.stream.events import Event
from penstock_contract.subjects import Token

StreamId = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""Random, chosen by the gateway: a name of the stream on the wire that no other process can guess."""


class Frame(Struct, frozen=True, array_like=True, gc=False):
    """One event of one attempt of one stream; `seq` counts from 0 within the attempt."""

    stream: int
    attempt: int
    seq: int
    event: Event


class Batch(Struct, frozen=True, array_like=True, gc=False):
    worker: str
    frames: list[Frame]


class Stop(Struct, frozen=True, array_like=True, tag="stop"):
    """No client reads the stream any more: end the provider call and free the slot. No reply.

    `code` is the reason, for the usage row; with its `message` it is the end for readers at other gateways. `serves` is
    the attempt whose answer the client gets and whose row is the request's; it is not stopped. With `reader`, a gateway
    that did not begin the stream only gets no more frames of it.
    """

    stream: int
    code: ErrorCode = "cancelled"
    serves: int = 0
    message: str = "the client disconnected"
    reader: str = ""


class Attach(Struct, frozen=True, array_like=True, tag="attach"):
    """Send the frames of this stream to `gateway`, from `from_seq` on; the other gateways go on to get them.

    `attempt` 0 is any: the gateway has received no frame yet.
    """

    stream: int
    attempt: int
    from_seq: int
    gateway: Token


class Drain(Struct, frozen=True, array_like=True, tag="drain"):
    """Take no more requests, finish the open ones, and keep running until SIGTERM or `Resume`."""


class Resume(Struct, frozen=True, array_like=True, tag="resume"):
    """Take requests again after a `Drain`: demand returned before the pod was deleted. Nothing undoes a SIGTERM."""


class Probe(Struct, frozen=True, array_like=True, tag="probe"):
    """Sent as a request to a worker that has been silent: the worker answers with a heartbeat.

    If the worker's connection is gone, the broker answers in its place that there are no responders.
    """


Control = Stop | Attach | Drain | Resume | Probe


class WorkerHeartbeat(Struct, frozen=True, array_like=True, gc=False):
    """Every second on `penstock.workers.…`: for the gateway, proof that the worker runs; for the operator, its load.

    `incarnation` distinguishes processes of one name: a restarted container may send heartbeats before the loss of the
    old one is detected, and has none of its streams. 0: not given.
    `refusing_keys` are names of the route's providers that refuse the worker's key, `failing` of those of which every
    call has failed lately; both are for the operator alone.
    """

    worker: Token
    slots: int
    in_flight: int
    draining: bool
    version: str
    incarnation: int = 0
    refusing_keys: Annotated[list[str], Meta(max_length=64)] = []
    failing: Annotated[list[str], Meta(max_length=64)] = []


class Activation(Struct, frozen=True, array_like=True, gc=False):
    """A gateway has queued a request of the route in the subject and has no report of a free slot for it.

    A hint that may be lost and is repeated while the request waits; the queue has the number of waiting requests.
    """

    gateway: str


class GatewayHeartbeat(Struct, frozen=True, array_like=True, gc=False):
    """Every second on `penstock.gateways.…`: without it a worker stops the calls of this gateway."""

    gateway: Token
