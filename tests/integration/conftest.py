"""Fixtures of the integration tests, and the logs of every process in the report of a failed test."""

from collections.abc import AsyncIterator, Generator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from openai import AsyncOpenAI

pytest.register_assert_rewrite("harness.expect", "harness.budgeted_keys", "harness.interrupted_streams")
from harness.client_pair import Both, clients  # noqa: E402
from harness.gateway import Gateway  # noqa: E402
from harness.link import Link  # noqa: E402
from harness.stack import Stack  # noqa: E402 - after its assertions were registered


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def module_stack(request: pytest.FixtureRequest) -> AsyncIterator[Stack]:
    """With the options that the module has in `STACK`."""
    async with Stack(**getattr(request.module, "STACK", {})) as stack:
        yield stack


@pytest_asyncio.fixture(loop_scope="module")
async def stack(module_stack: Stack) -> AsyncIterator[Stack]:
    """One stack for the module, reset before every test. No process may log an error or exit."""
    await module_stack.reset()
    yield module_stack
    assert all(process.alive for process in module_stack.processes), "a process has exited"
    errors = [line for process in module_stack.processes for line in process.events() if line.get("level") == "error"]
    assert not errors, errors


@pytest_asyncio.fixture(loop_scope="module")
async def link(stack: Stack) -> AsyncIterator[Link]:
    """Between a client and the gateway."""
    made = await Link.start(stack.gateway_port)
    yield made
    await made.close()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def other(module_stack: Stack) -> AsyncIterator[Gateway]:
    """A second gateway of the same stack."""
    directory = module_stack.directory / "other"
    directory.mkdir()
    async with Gateway.running(module_stack.nats.url, directory) as gateway:
        await gateway.has_model("main")
        yield gateway


@pytest_asyncio.fixture(loop_scope="module")
async def sdk(stack: Stack) -> AsyncIterator[AsyncOpenAI]:
    """The official client, without retries."""
    async with AsyncOpenAI(base_url=f"{stack.url}/v1", api_key="anything", max_retries=0) as client:
        yield client


@pytest.fixture(params=["Client", "AsyncClient"])
def both(request: pytest.FixtureRequest) -> Iterator[Both]:
    """The sync client, then the asyncio client."""
    with clients(request.param) as both:
        yield both


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    del item
    report = yield
    if report.failed and call.when in {"call", "setup", "teardown"}:
        report.sections += [(f"logs in {stack.directory}", stack.logs()) for stack in Stack.live]
    return report
