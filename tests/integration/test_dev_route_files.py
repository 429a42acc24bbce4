"""An edit of a route file reaches a running `penstock dev`; a bad edit does not."""

import asyncio
import json
from pathlib import Path

import httpx
from harness.dev import Dev, dev_up
from harness.plain_client import plain_client

ROUTE = """
apiVersion: penstock.dev/v1alpha1
kind: ModelRoute
metadata: {{name: {name}}}
spec:
  models: [{{name: {model}}}]
  providers: [{{name: p, type: Simulated, simulated: {{tokens: {tokens}, tokensPerSecond: {rate}}}}}]
"""
STOPPED = "the routes as they were are served on"


def _route(name: str, model: str, *, tokens: int = 3, rate: int = 1000) -> str:
    return ROUTE.format(name=name, model=model, tokens=tokens, rate=rate)


def _replace(path: Path, text: str) -> None:
    """As editors write: a new file takes the name."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


async def _ask(dev: Dev, model: str | None = None) -> httpx.Response:
    async with plain_client(dev.url, timeout=60) as client:
        return await client.post("/api/generate", json={"prompt": "hi", **({"model": model} if model else {})})


def _count(answer: httpx.Response) -> int:
    assert answer.status_code == 200, answer.text
    return answer.text.count('data: {"text"')


async def test_dev_serves_an_edit_and_a_stream_in_flight_ends_whole(tmp_path: Path) -> None:
    file = tmp_path / "routes.yaml"
    file.write_text(_route("one", "slow", tokens=120, rate=20))
    async with dev_up(tmp_path, "-f", str(file)) as dev:
        before = dev.children()
        async with (
            plain_client(dev.url, timeout=60) as client,
            client.stream("POST", "/api/generate", json={"prompt": "hi"}) as response,
        ):
            received = response.aiter_text()
            start = await anext(received)
            # The route of the stream is gone, and another one serves the default model.
            _replace(file, _route("two", "fast"))
            await dev.reports("new: default/two; gone: default/one")
            await dev.reports("the route default.two has a worker")
            assert _count(await _ask(dev)) == 3
            gone = await _ask(dev, "slow")
            assert (gone.status_code, json.loads(gone.text)["error"]["code"]) == (404, "model_not_found")
            text = start + "".join([part async for part in received])
        assert text.count('data: {"text"') == 120
        assert text.endswith("data: [DONE]\n\n")
        assert {name: dev.children()[name] for name in ("nats-server", "penstock_gateway")} == {
            name: before[name] for name in ("nats-server", "penstock_gateway")
        }

        # The same worker serves a changed spec.
        worker = dev.children()["penstock_worker"]
        _replace(file, _route("two", "fast", tokens=5))
        await dev.reports("changed: default/two")
        async with asyncio.timeout(20):
            while _count(await _ask(dev, "fast")) != 5:
                pass
        assert worker in dev.children().values()


async def test_dev_shows_a_bad_edit_once_and_serves_the_last_good_version(tmp_path: Path) -> None:
    folder = tmp_path / "routes"
    folder.mkdir()
    (folder / "a.yaml").write_text(_route("a", "model-a"))
    async with dev_up(tmp_path, "-f", str(folder)) as dev:
        (folder / "b.yaml").write_text("apiVersion: penstock.dev/v1alpha1\nkind: ModelRoute\nspec: {}\n")
        await dev.reports(f"{folder}/b.yaml, document 1: spec: the field models is missing")
        await dev.reports(STOPPED)
        assert _count(await _ask(dev, "model-a")) == 3

        _replace(folder / "b.yaml", _route("b", "model-b", tokens=4))
        await dev.reports("new: default/b")
        await dev.reports("the route default.b has a worker")
        assert _count(await _ask(dev, "model-b")) == 4

        (folder / "b.yaml").unlink()
        await dev.reports("gone: default/b")
        assert _count(await _ask(dev, "model-a")) == 3
        assert dev.output.count(STOPPED) == 1
