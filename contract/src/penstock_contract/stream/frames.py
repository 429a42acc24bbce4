"""What travels on the broker between gateway and worker, besides the request itself.

One NATS message per token saturated a core where framed batches did not (ADR 0002), so a worker puts the frames
of all its streams towards one gateway into one `Batch`.
"""

from typing import Annotated

from msgspec import Meta, Struct

from penstock_contract.errors import ErrorCode
from penstock_contract.stream.events import Event
from penstock_contract.subjects import Token

StreamId = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""Random, chosen by the gateway: a name for the stream on the wire that nobody else can guess."""


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
    """Nobody wants this stream any more: end the provider call and free the slot. No answer.

    `code` is why, for the usage row. With `serves` only other attempts than that are meant: it is the one whose answer
    the client gets, and whose row is the request's.
    """

    stream: int
    code: ErrorCode = "cancelled"
    serves: int = 0


class Attach(Struct, frozen=True, array_like=True, tag="attach"):
    """Send the frames of this stream again, from `from_seq`, and go on to `gateway` from now on.

    `attempt` 0 is whichever there is: the gateway has not heard of any yet.
    """

    stream: int
    attempt: int
    from_seq: int
    gateway: Token


class Drain(Struct, frozen=True, array_like=True, tag="drain"):
    """Take no more requests, finish the open ones, and stay: whoever said so ends the process, or says `Resume`."""


class Resume(Struct, frozen=True, array_like=True, tag="resume"):
    """Take requests again after a `Drain`: demand came back before the pod was gone. Nothing undoes a SIGTERM."""


class Probe(Struct, frozen=True, array_like=True, tag="probe"):
    """Sent as a request to a worker that has been silent: the worker answers with a heartbeat.

    If the worker's connection is gone, the broker answers in its place that there are no responders.
    """


Control = Stop | Attach | Drain | Resume | Probe


class WorkerHeartbeat(Struct, frozen=True, array_like=True, gc=False):
    """Every second on `penstock.workers.…`: the gateway's proof of life and the operator's measure of load.

    `incarnation` tells a worker's process from the next of its name: a container that is started again in its pod may
    be back before it was missed, and knows nothing of the streams before it. 0: the worker does not say.
    `refusing_keys` are names of the route's providers that refuse the worker's key; for the operator alone.
    """

    worker: Token
    slots: int
    in_flight: int
    draining: bool
    version: str
    incarnation: int = 0
    refusing_keys: Annotated[list[str], Meta(max_length=64)] = []


class Activation(Struct, frozen=True, array_like=True, gc=False):
    """A gateway has queued a request of the route in the subject and knows no free slot for it.

    A hint that may be lost and is said again while the request waits; how many wait is in the queue.
    """

    gateway: str


class GatewayHeartbeat(Struct, frozen=True, array_like=True, gc=False):
    """Every second on `penstock.gateways.…`: without it a worker stops the calls that nobody reads."""

    gateway: Token
