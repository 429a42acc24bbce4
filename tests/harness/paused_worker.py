"""A worker that is paused before the first events of its requests, while another one serves them."""

import asyncio
import signal
from dataclasses import dataclass, field

from harness.kills import CLOSED_S
from harness.processes import until
from harness.provider_answers import DONE, chunk, finish, usage
from harness.provider_call import Call
from harness.route_spec import completion
from harness.stack import Stack

from penstock_broker.stores.usage import read_rows
from penstock_contract.usage.record import UsageRow


@dataclass(frozen=True)
class Stall:
    requests: int
    tokens: int
    afterwards: bool
    """True if the worker continues after its requests have been served, False while they are."""


@dataclass
class Stalled:
    answers: list[int] = field(default_factory=list)
    rows: list[UsageRow] = field(default_factory=list)
    serving: str = ""
    """The worker that was not paused."""
    calls: int = 0
    queued: int = 0


async def stall(plan: Stall) -> Stalled:
    """Pause a worker with all requests and no answer, let another serve them, answer the first one, and continue it.

    Half of the first worker's calls are answered, the other half are rejected.
    """
    seen = Stalled()
    served, woken = asyncio.Event(), asyncio.Event()

    async def late(call: Call) -> None:
        """An answer for the paused worker."""
        await served.wait()
        if stack.main.calls.index(call) % 2:
            await call.head(400)
            await call.end()
            return
        await call.head()
        await call.write(b"".join(chunk(f"late{index} ") for index in range(plan.tokens)))
        await call.write(finish() + usage(5, plan.tokens) + DONE)
        await call.end()

    async def answer(call: Call) -> None:
        await call.head()
        for index in range(plan.tokens):
            await call.write(chunk(f"w{index} "))
            if not index and not plan.afterwards:
                await woken.wait()
        await call.write(finish() + usage(5, plan.tokens) + DONE)
        await call.end()

    async with Stack(slots=plan.requests) as stack:
        still = stack.worker
        stack.main.answers(*[late] * plan.requests, answer)
        chat_requests = [
            asyncio.create_task(stack.post("/v1/chat/completions", completion("12345", stream=True)))
            for _ in range(plan.requests)
        ]
        await stack.main.called(plan.requests)
        still.signal(signal.SIGSTOP)
        other = await stack.start_worker()
        await stack.main.called(2 * plan.requests)
        if plan.afterwards:
            await asyncio.gather(*chat_requests)
        served.set()
        name = (await still.logged("worker.serving"))["worker"]
        stack.heartbeats.pop(name, None)
        still.signal(signal.SIGCONT)
        await until(
            lambda: name in stack.heartbeats and not stack.heartbeats[name].in_flight, "it has no request in flight"
        )
        woken.set()
        seen.answers = [(await request).status_code for request in chat_requests]

        async def closed() -> bool:
            seen.rows = [row async for row in read_rows(stack.connection, since=0.0)]
            return len(seen.rows) == plan.requests and all(row.ended is not None for row in seen.rows)

        await until(closed, "every usage record is closed", timeout_s=CLOSED_S)
        # Its last records are written before it exits; the gateway reads them later.
        still.terminate()
        await still.exited()
        await until(closed, "every usage record is closed", timeout_s=CLOSED_S)
        seen.serving = (await other.logged("worker.serving"))["worker"]
        seen.calls = len(stack.main.calls)
        seen.queued = await stack.queued()
    return seen
