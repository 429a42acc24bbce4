"""A gateway with a route per provider dialect, and behind each route a model that answers what it is asked."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from harness.processes import free_port
from harness.route_spec import provider, spec
from harness.stack import Stack
from model_server import EMBEDDING_MODEL, MODELS, REASONING_MODELS, anthropic_model, openai_model
from msgspec.structs import replace

from penstock_contract.route.streams import StreamsSpec

KEPT = StreamsSpec(keep_seconds=60)
"""For stored responses."""


@pytest.fixture(scope="session")
def page_port() -> int:
    """The port of a page that may use the gateway."""
    return free_port()


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def gateway(page_port: int) -> AsyncIterator[Stack]:
    models = [MODELS["openai"], REASONING_MODELS["openai"], {"name": EMBEDDING_MODEL, "type": "Embedding"}]
    origins = {"PENSTOCK_CORS_ORIGINS": f"http://127.0.0.1:{page_port}"}
    async with Stack(models=models, gateway_env=origins) as stack:
        stack.main.answers(openai_model)
        anthropic = stack.provider.upstream("anthropic")
        anthropic.answers(anthropic_model)
        providers = [provider("p", anthropic.base_url, type="Anthropic")]
        await stack.apply("main", replace(stack.spec(), streams=KEPT))
        names = [MODELS["anthropic"], REASONING_MODELS["anthropic"]]
        await stack.apply("anthropic", replace(spec(providers, models=names), streams=KEPT))
        await stack.start_worker("anthropic")
        yield stack
