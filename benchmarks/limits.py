"""Limits over three real minutes: two gateway processes, twenty clients per key, one key per kind of limit.

    .venv/bin/python benchmarks/limits.py [--seconds 180]

Clients repeat a request 0.1 to 0.5 s after a rejection, without waiting for the window. Prints per key what was
accepted and the worst rejection: the largest unused part of the window at a rejection. Exit status 1 if
accepted requests or tokens are further than 5 % from the limit, if a client was refused while a tenth of the window was
unused, or if there was ever one more stream than allowed.
"""

import argparse
import asyncio
import bisect
import random
import re
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from harness.keyed import KeyedStack
from harness.provider_answers import DONE, chunk, finish, usage
from harness.provider_call import Call
from harness.route_spec import completion

CLIENTS = 20
REQUESTS, TOKENS, STREAMS = 600, 15_000, 8
MINUTE_S = 60.0


@dataclass
class Counted:
    """The results of one key's clients. `used` has a time for each unit, `refused` the units used at each rejection."""

    limit: int
    used: list[float] = field(default_factory=list)
    answered: int = 0
    refusals: int = 0
    least_used: float = 1.0
    """Part of the window at a refusal."""

    def refuse(self, sent_at: float) -> None:
        """Compared with the use when the rejected request was sent: the gateway cannot count later requests."""
        self.refusals += 1
        began, debt = self.window(sent_at)
        in_window = len(self.used) - bisect.bisect_left(self.used, began)
        self.least_used = min(self.least_used, (in_window + debt) / self.limit)

    def window(self, now: float) -> tuple[float, int]:
        """When the window of `now` began (with the first use after the one before had ended), and its debt."""
        began, debt = (self.used[0] if self.used else now), 0
        while began + MINUTE_S <= now:
            first, following = (bisect.bisect_left(self.used, at) for at in (began, began + MINUTE_S))
            debt = max(0, debt + following - first - self.limit)
            if following == len(self.used):
                break
            began = self.used[following]
        return began, debt


async def answer(call: Call) -> None:
    """The number of tokens in the prompt."""
    (tokens,) = map(int, re.findall(r"\d+", call.body["messages"][0]["content"]))
    await call.head()
    for number in range(tokens):
        await call.write(chunk(f"w{number % 100} "))
        await asyncio.sleep(0.02)
    await call.write(finish() + usage(0, tokens) + DONE)
    await call.end()


async def hammer(client: httpx.AsyncClient, end: float, counted: Counted, tokens: int, unit: str) -> None:
    dice = random.Random()
    while (sent_at := time.monotonic()) < end:
        body = completion(f"{tokens} tokens", stream=True)
        async with client.stream("POST", "/v1/chat/completions", json=body) as response:
            if response.status_code == 429:
                counted.refuse(sent_at)
            else:
                assert response.status_code == 200, await response.aread()
                counted.answered += 1
                if unit == "requests":
                    bisect.insort(counted.used, sent_at)
                async for data in response.aiter_raw():
                    if unit == "tokens":
                        counted.used += [time.monotonic()] * data.count(b'"content":')
        if response.status_code == 429:
            await asyncio.sleep(dice.uniform(0.1, 0.5))


async def crowd(client: httpx.AsyncClient, end: float, counted: Counted, open_: list[int]) -> None:
    dice = random.Random()
    while time.monotonic() < end:
        async with client.stream("POST", "/v1/chat/completions", json=completion("20 tokens", stream=True)) as response:
            if response.status_code == 429:
                counted.refusals += 1
            else:
                open_[0] += 1
                open_[1] = max(open_)
                async for _ in response.aiter_raw():
                    pass
                open_[0] -= 1
                counted.answered += 1
        await asyncio.sleep(dice.uniform(0.0, 0.3))


async def measure(seconds: float) -> int:
    async with KeyedStack(slots=256, workers=1) as stack:
        stack.main.answers(answer)
        urls = [stack.url, await stack.another_gateway()]
        requests, tokens, streams = Counted(REQUESTS), Counted(TOKENS), Counted(STREAMS)
        open_ = [0, 0]
        end = time.monotonic() + seconds

        async def key(**limits: int) -> list[httpx.AsyncClient]:
            made: dict[str, Any] = await stack.create_key(limits=limits)
            return [stack.with_key(made["key"], url) for url in urls]

        by_requests = await key(requests_per_minute=REQUESTS)
        by_tokens = await key(tokens_per_minute=TOKENS)
        by_streams = await key(concurrent_streams=STREAMS)
        runs: list[Callable[[int], Awaitable[None]]] = [
            lambda number: hammer(by_requests[number % 2], end, requests, 3, "requests"),
            lambda number: hammer(by_tokens[number % 2], end, tokens, 30, "tokens"),
            lambda number: crowd(by_streams[number % 2], end, streams, open_),
        ]
        await asyncio.gather(*(run(number) for run in runs for number in range(CLIENTS)))
        await asyncio.sleep(0.5)
        chat_requests = [
            by_streams[number % 2].post("/v1/chat/completions", json=completion("20 tokens"))
            for number in range(STREAMS)
        ]
        free = [answer.status_code for answer in await asyncio.gather(*chat_requests)].count(200)
        windows = seconds / MINUTE_S
        bad = 0
        for name, counted in (("requests", requests), ("tokens", tokens)):
            share = len(counted.used) / (counted.limit * windows)
            wrong = abs(share - 1) > 0.05 or counted.least_used < 0.9
            bad += wrong
            print(
                f"{name}: {len(counted.used)} of {counted.limit * windows:.0f} accepted ({100 * share:.1f} %),"
                f" {counted.refusals} refusals, at the earliest with {100 * counted.least_used:.1f} % of a window used"
                f"{'  WRONG' if wrong else ''}"
            )
        wrong = open_[1] > STREAMS or free < STREAMS
        print(
            f"streams: at most {open_[1]} of {STREAMS} at a time, {streams.answered} answered,"
            f" {streams.refusals} refused, {free} of {STREAMS} places free afterwards{'  WRONG' if wrong else ''}"
        )
        return 1 if bad or wrong else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=180.0)
    return asyncio.run(measure(parser.parse_args().seconds))


if __name__ == "__main__":
    sys.exit(main())
