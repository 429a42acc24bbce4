"""A model that gives the second half of its answer when the test allows it."""

import asyncio

from harness.provider_answers import DONE, chunk, finish, usage
from harness.provider_call import Call

FIRST = "Half of it"
SECOND = " and the rest."


class Halves:
    """`calls` are those that the provider got."""

    def __init__(self) -> None:
        self.second = asyncio.Event()
        self.calls: list[Call] = []

    async def __call__(self, call: Call) -> None:
        self.calls.append(call)
        await call.head()
        await call.write(chunk(FIRST))
        await self.second.wait()
        await call.write(chunk(SECOND))
        for piece in (finish(), usage(), DONE):
            await call.write(piece)
        await call.end()
