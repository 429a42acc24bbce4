"""One streamed answer of a `Simulated` route as the official `openai` SDK reads it, each token compared on its way.

The expected text comes from the module that makes the answers up; a token that is missing, doubled, changed or out of
order, an end that is missing, and an error instead of an end are all reported.
"""

import time

import openai
from msgspec import Struct
from openai import AsyncOpenAI

from penstock_worker.providers.simulated import token

SILENCE_MAX_S = 40.0
"""Longer than anything that may be waited for: a worker that starts, a broker that comes back."""
CONNECTION_LOST = "connection lost"


class Ending(Struct, frozen=True, kw_only=True):
    """The end of one stream, and its time by the monotonic clock.

    `error` is empty for a complete stream, else Penstock's code, `CONNECTION_LOST`, or the defect.
    """

    request_id: str
    tokens: int
    at: float
    error: str = ""


class Reader:
    """One request; `tokens` is how many it has read."""

    def __init__(self, client: AsyncOpenAI, model: str, length: int) -> None:
        self._client = client
        self._model = model
        self._length = length
        self.tokens = 0
        self.request_id = ""

    async def read(self) -> Ending:
        """To its end, whatever that is."""
        return Ending(error=await self._error(), request_id=self.request_id, tokens=self.tokens, at=time.monotonic())

    async def _error(self) -> str:
        try:
            return await self._read()
        except openai.APIConnectionError as error:
            return "timeout" if isinstance(error, openai.APITimeoutError) else CONNECTION_LOST
        except openai.APIError as error:
            return error.code or str(error)

    async def _read(self) -> str:
        reason = None
        async with await self._client.chat.completions.create(
            model=self._model,
            messages=[{"role": "user", "content": "hi"}],
            max_tokens=self._length,
            stream=True,
        ) as stream:
            self.request_id = stream.response.headers["x-request-id"]
            async for chunk in stream:
                for choice in chunk.choices:
                    if logged := choice.delta.content:
                        if logged != token(self.tokens):
                            return f"token {self.tokens} is {logged!r}"
                        self.tokens += 1
                    reason = choice.finish_reason or reason
        if reason not in {"stop", "length"}:
            return f"no end after token {self.tokens}"
        return "" if self.tokens == self._length else f"ended after {self.tokens} of {self._length} tokens"
