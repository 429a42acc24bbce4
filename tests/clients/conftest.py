"""A gateway with a route per provider dialect, and behind each route a model that answers the request's kind."""

from collections.abc import AsyncIterator

import pytest_asyncio
from harness.route_spec import provider, spec
from harness.stack import Stack
from model_server import EMBEDDING_MODEL, MODELS, anthropic_model, openai_model
from msgspec.structs import replace

from penstock_contract.route.streams import StreamsSpec

KEPT = StreamsSpec(keep_seconds=60)
"""For stored responses."""


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def gateway() -> AsyncIterator[Stack]:
    models = [MODELS["openai"], {"name": EMBEDDING_MODEL, "type": "Embedding"}]
    async with Stack(models=models) as stack:
        stack.main.answers(openai_model)
        anthropic = stack.provider.upstream("anthropic")
        anthropic.answers(anthropic_model)
        providers = [provider("p", anthropic.base_url, type="Anthropic")]
        await stack.apply("main", replace(stack.spec(), streams=KEPT))
        await stack.apply("anthropic", replace(spec(providers, models=[MODELS["anthropic"]]), streams=KEPT))
        await stack.start_worker("anthropic")
        yield stack
