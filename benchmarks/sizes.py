"""The size of each phase."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """Durations have Go's form, for the client's flags."""

    starts: int  # timed ones, after one that warms the page cache
    settle_s: float  # of rest before the idle memory is read
    first_alone: int  # samples
    first_among: int  # samples, taken by `among` slots that stream all the time
    among: int
    long_prompts: int  # samples
    cpu_streams: int
    cpu_tokens: int
    cpu_ramp: str  # one stream's length, so that the starts are spread over it
    cpu_warm: str
    cpu_window: str
    request_warm: str
    request_window: str
    held: int
    held_tokens: int
    held_ramp: str
    held_warm: str  # to the window in which all streams are open
    held_window: str


FULL = Sizes(
    starts=3,
    settle_s=4,
    first_alone=300,
    first_among=224,
    among=32,
    long_prompts=60,
    cpu_streams=256,
    cpu_tokens=250,
    cpu_ramp="5s",
    cpu_warm="8s",
    cpu_window="15s",
    request_warm="2s",
    request_window="10s",
    held=1500,
    held_tokens=200,
    held_ramp="15s",
    held_warm="15500ms",
    held_window="4s",
)
QUICK = Sizes(
    starts=1,
    settle_s=1,
    first_alone=50,
    first_among=64,
    among=32,
    long_prompts=10,
    cpu_streams=64,
    cpu_tokens=100,
    cpu_ramp="2s",
    cpu_warm="3s",
    cpu_window="4s",
    request_warm="1s",
    request_window="2s",
    held=128,
    held_tokens=40,
    held_ramp="2s",
    held_warm="2200ms",
    held_window="1s",
)

CPU_PACE_MS, HELD_PACE_MS = 20, 100
AMONG_PACE_MS = 200  # slow enough that LiteLLM keeps up: its time to first token is to be its own, not its queue's

REQUEST_TOKENS = 5
PACED_SLOTS, PACED_EVERY_MS = 6, 100  # 60 requests a second
PACED_PACE_MS = 20
CLOSED_SLOTS = 32  # each starts a request as soon as its last one has ended; the provider sends all tokens at once
LONG_BYTES = 400_000
"""Of a prompt of 100 000 tokens, at the four bytes of an English token."""
