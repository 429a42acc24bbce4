"""A gateway with a route per provider dialect, and behind each route a model whose answer depends on the prompt."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from browser import Browser
from harness.keyed import FIRST_KEY, KeyedStack
from harness.processes import free_port
from harness.route_spec import provider, spec
from harness.stack import Stack
from library_process import HERE
from model_server import EMBEDDING_MODEL, MODELS, REASONING_MODELS, anthropic_model, openai_model
from msgspec.structs import replace
from playground_page import NARROW, Playground

from penstock_contract.route.streams import StreamsSpec

SPREAD = {"test_compliance", "test_libraries", "test_vendors"}
KEPT = StreamsSpec(keep_seconds=60)
"""For stored responses."""
PRICES = {"inputPerMillion": "100", "outputPerMillion": "1000"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of `SPREAD` run in any process, those of another file in one: they share scripts and a page's port."""
    for item in items:
        if item.path.parent == HERE and item.path.stem not in SPREAD:
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


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


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One Chromium; each page has a context of its own."""
    made = await Browser.start()
    yield made
    await made.close()


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def playground_stack() -> AsyncIterator[KeyedStack]:
    """A gateway with the playground and with keys."""
    async with KeyedStack(route=None, gateway_env={"PENSTOCK_PLAYGROUND": "true"}) as stack:
        providers = [provider("main", stack.main.base_url, prices=PRICES)]
        await stack.apply("main", spec(providers, models=["main", {"name": "vectors", "type": "Embedding"}]))
        await stack.start_worker("main")
        providers = [provider(NARROW, stack.provider.upstream(NARROW).base_url)]
        await stack.apply(NARROW, spec(providers, models=[NARROW], slots=1))
        await stack.start_worker(NARROW)
        yield stack


@pytest_asyncio.fixture(loop_scope="session")
async def playground(playground_stack: KeyedStack, browser: Browser) -> AsyncIterator[Playground]:
    """A page of its own, with a key in its tab."""
    playground_stack.provider.reset()
    async with Playground.opened(browser, playground_stack.url, FIRST_KEY) as playground:
        yield playground
