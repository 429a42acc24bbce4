"""Answers of an installed release to a chat request."""

import json
from typing import Any

from harness.kubernetes.chart_release import Release
from harness.kubernetes.model_routes import condition

PACED = {"name": "simulated", "type": "Simulated", "simulated": {"tokens": 60, "tokensPerSecond": 20}}


def served(route: dict[str, Any]) -> bool:
    return condition(route, "Ready").startswith("True")


async def answer(release: Release, model: str = "simulated") -> list[str]:
    """The events that a client reads."""
    async with await release.client() as client:
        body = {"model": model, "stream": True, "messages": [{"role": "user", "content": "hi"}]}
        async with client.stream("POST", "/v1/chat/completions", json=body) as response:
            assert response.status_code == 200, (await response.aread()).decode()
            return [line.removeprefix("data: ") async for line in response.aiter_lines() if line]


def tokens(events: list[str]) -> int:
    """The number of text deltas in a complete answer."""
    assert events[-1] == "[DONE]"
    choices = [choice for event in events[:-1] for choice in json.loads(event)["choices"]]
    return sum(bool(choice["delta"].get("content")) for choice in choices)
