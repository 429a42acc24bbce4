"""The playground's switch, its public paths, and its own table of advice."""

import re
from importlib.resources import files
from pathlib import Path

import httpx
import pytest
from litestar.exceptions import LitestarDeprecationWarning

from penstock_contract.errors import ERRORS
from penstock_gateway.composition import create_gateway
from penstock_gateway.settings import GatewaySettings
from penstock_runtime.clock import SystemClock
from penstock_runtime.telemetry.setup import configure

FILES = files("penstock_gateway.playground")
INDEX = (FILES / "index.html").read_text()
# Litestar 3's way to name a dependency is not used here.
pytestmark = pytest.mark.filterwarnings(f"ignore::{LitestarDeprecationWarning.__module__}.LitestarDeprecationWarning")
PAGE_ONLY = {"gateway_unreachable", "connection_lost", "reloaded_early", "no_key"}


def client(**settings: bool | str) -> httpx.AsyncClient:
    """Of a gateway that is not connected to a broker."""
    gateway = create_gateway(GatewaySettings(**settings), configure("test", {}), SystemClock())  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=httpx.ASGITransport(gateway.app), base_url="http://localhost")  # type: ignore[arg-type]


async def test_playground_is_off_by_default() -> None:
    async with client() as without_keys:
        answer = await without_keys.get("/")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
    async with client(authentication="required") as with_keys:
        assert (await with_keys.get("/")).status_code == 401
        assert (await with_keys.get("/playground/main.js")).status_code == 401


async def test_playground_is_public_and_the_api_is_not() -> None:
    async with client(authentication="required", playground=True) as with_keys:
        for path in ("/", "/playground/main.js", "/playground/theme.css"):
            answer = await with_keys.get(path)
            assert answer.status_code == 200
            assert answer.headers["x-request-id"].startswith("req_")
            assert (await with_keys.head(path)).status_code == 200
        for path in ("/v1/models", "/playground", "/playground/", "/playground/none.js", "/x", "/metrics"):
            assert (await with_keys.get(path)).status_code == 401
        assert (await with_keys.post("/v1/chat/completions", json={})).status_code == 401
        assert (await with_keys.post("/", json={})).status_code == 405


async def test_playground_refuses_a_foreign_name_on_loopback_without_keys() -> None:
    async with client(playground=True) as local:
        assert (await local.get("/", headers={"host": "evil.example"})).status_code == 403


def test_playground_loads_nothing_from_elsewhere_and_has_nothing_inline() -> None:
    assert re.findall(r'(?:src|href)="(?!playground/|#)([^"]*)"', INDEX) == []
    assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=", INDEX)


def test_playground_preloads_each_module() -> None:
    named = {*re.findall(r'rel="modulepreload" href="playground/([^"]+)"', INDEX), "main.js", "theme.js"}
    folder = Path(str(FILES))
    assert named == {file.relative_to(folder).as_posix() for file in folder.rglob("*.js")}


@pytest.mark.parametrize("name", sorted(set(re.findall(r'="(playground/[^"]+)"', INDEX))))
async def test_playground_serves_what_its_page_names(name: str) -> None:
    async with client(playground=True) as local:
        assert (await local.get(f"/{name}")).status_code == 200


def test_playground_has_advice_for_each_error_that_clients_see() -> None:
    text = (FILES / "failure.js").read_text()
    table = text[text.index("ADVICE = {") : text.index("\n}\n")]
    advised = set(re.findall(r"^  (\w+): ", table, re.MULTILINE))
    assert advised == {code for code, kind in ERRORS.items() if kind.seen_by == "client"} | PAGE_ONLY
