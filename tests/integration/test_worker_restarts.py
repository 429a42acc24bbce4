"""A worker's process exits and another one starts under its name, as in a pod whose container is restarted."""

import asyncio

from harness.expect import stream_error_of
from harness.processes import until
from harness.provider_answers import text_stream, text_then_wait
from harness.route_spec import completion
from harness.stack import Stack
from harness.stream_reader import texts_of

NAME = {"PENSTOCK_WORKER_NAME": "worker-in-a-pod"}


async def test_worker_restarted_within_its_heartbeat_ends_its_lost_streams() -> None:
    async with Stack(workers=0) as stack:
        worker = await stack.start_worker(**NAME)
        stack.main.answers(text_then_wait("Hel"))
        async with stack.stream("/v1/chat/completions", completion(stream=True)) as stream:
            await stream.event()
            await until(lambda: _acked(stack), "the request is not given to another worker any more")
            worker.kill()
            await stack.start_worker(**NAME)
            async with asyncio.timeout(5):
                body = await stream.rest()
        stream_error_of(stream.response, body, "worker_lost")
        stack.main.answers(text_stream("Hello"))
        assert texts_of((await stack.post("/api/chat", completion())).text) == "Hello"


async def _acked(stack: Stack) -> bool:
    return await stack.queued() == 0
