"""The provider of a chaos run: every token names its request, its call and its place, and the provider keeps a log.

The prompt is `request <number>: <tokens> tokens`; token i of call c of request n is `n.c.i`.
"""

import asyncio
import random
import re
from collections import defaultdict
from dataclasses import dataclass

from harness.chaos.plan import Plan
from harness.provider_answers import DONE, chunk, finish, usage
from harness.provider_call import Call

PROMPT_TOKENS = 5


def prompt(number: int, tokens: int) -> str:
    return f"request {number}: {tokens} tokens"


def number_in(text: bytes) -> int:
    """The number of the request that a text with its prompt belongs to."""
    found = re.search(rb"request (\d+): \d+ tokens", text)
    assert found is not None
    return int(found[1])


def token(number: int, call: int, index: int) -> str:
    return f"{number}.{call}.{index} "


@dataclass
class Answered:
    """The provider's record of one call."""

    written: int = 0
    whole: bool = False


class ChaosProvider:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._random = random.Random(f"{plan.seed} provider")
        self.calls: dict[int, list[Answered]] = defaultdict(list)
        """By the request's number."""

    async def answer(self, call: Call) -> None:
        """Streams the tokens that the prompt requests at the plan's pace, and breaks some answers on purpose."""
        number, tokens = map(int, re.findall(r"\d+", call.body["messages"][0]["content"]))
        calls = self.calls[number]
        index_of_call = len(calls)
        answered = Answered()
        calls.append(answered)
        cut_at = self._random.randrange(tokens) if self._random.random() < self._plan.cut else None
        await asyncio.sleep(self._random.uniform(0, 10 * self._plan.pace_s))
        await call.head()
        for index in range(tokens):
            if call.peer_closed:
                return
            if index == cut_at:
                call.cut()
                return
            await call.write(chunk(token(number, index_of_call, index)))
            answered.written += 1
            await asyncio.sleep(self._plan.pace_s)
        await call.write(finish() + usage(PROMPT_TOKENS, tokens) + DONE)
        await call.end()
        answered.whole = True

    @property
    def written(self) -> dict[tuple[int, int], int]:
        """Tokens written, by request and call."""
        return {
            (number, index): call.written for number, calls in self.calls.items() for index, call in enumerate(calls)
        }

    @property
    def again_after_first_byte(self) -> int:
        """Requests that were called again although an earlier call had written a token."""
        return sum(any(call.written for call in calls[:-1]) for calls in self.calls.values())
