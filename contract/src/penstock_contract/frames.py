"""What travels on the broker between gateway and worker, besides the request itself.

One NATS message per token saturated a core where framed batches did not (ADR 0002), so a worker puts the frames
of all its streams towards one gateway into one `Batch`.
"""

from typing import Annotated

from msgspec import Meta, Struct

from penstock_contract.events import Event

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
    """The client no longer wants this stream: end the provider call and free the slot. No answer."""

    stream: int


class Attach(Struct, frozen=True, array_like=True, tag="attach"):
    """Send the frames of this stream again, from `from_seq`, and go on to `gateway` from now on.

    `attempt` 0 is whichever there is: the gateway has not heard of any yet.
    """

    stream: int
    attempt: int
    from_seq: int
    gateway: str


class Drain(Struct, frozen=True, array_like=True, tag="drain"):
    """Take no more requests, finish the open ones, then exit."""


Control = Stop | Attach | Drain


class WorkerHeartbeat(Struct, frozen=True, array_like=True, gc=False):
    """Every second on `penstock.workers.…`: the gateway's proof of life and the operator's measure of load."""

    worker: str
    slots: int
    in_flight: int
    draining: bool
    version: str


class GatewayHeartbeat(Struct, frozen=True, array_like=True, gc=False):
    """Every second on `penstock.gateways.…`: without it a worker stops the calls that nobody reads."""

    gateway: str
