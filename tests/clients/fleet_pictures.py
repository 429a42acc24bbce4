"""Takes the pictures of the fleet page and of `penstock top` for the docs: `make pictures`. Real processes serve it."""

import asyncio
import base64
import io
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
from browser import Browser
from fleet_page import FleetPage
from harness.keyed import ADMIN_TOKEN, KeyedStack
from harness.route_spec import spec
from rich.console import Console
from rich.text import Text

from penstock_broker.connection import Connection
from penstock_broker.stores.usage import open_row
from penstock_contract import subjects
from penstock_contract.usage.money import Rates, decimal, per_million
from penstock_contract.usage.record import Tokens, UsageRow

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
KEYS = {
    "Mobile app": 8,
    "Search team": 6,
    "Support bot": 5,
    "Nightly summaries": 3,
    "Data science": 2,
    "Ada's laptop": 1,
}
ROUTES: dict[str, dict[str, Any]] = {
    "chat": {"models": ("gpt-large", "gpt-small"), "prices": ("2.5", "10"), "pace": (220, 60, 0.18), "slots": 64},
    "assistants": {"models": ("claude-medium",), "prices": ("3", "15"), "pace": (260, 45, 0.6), "slots": 6},
    "translation": {"models": ("mistral-small",), "prices": ("0.2", "0.6"), "pace": (60, 120, 0.05), "slots": 64},
    "summaries": {"models": ("llama-70b",), "prices": ("0.3", "0.6"), "pace": (40, 80, 0.1), "slots": 64},
}
WEIGHTS = {"gpt-large": 5, "gpt-small": 3, "claude-medium": 5, "mistral-small": 8, "llama-70b": 1}
DAYS = 30
WATCHED_S = 75
LIGHT: dict[str, Any] = {"colorScheme": "light", "viewport": {"width": 1280, "height": 860}}
DARK: dict[str, Any] = {**LIGHT, "colorScheme": "dark"}
DRAW = random.Random(4)


def simulated(route: str) -> dict[str, Any]:
    tokens, per_second, first = ROUTES[route]["pace"]
    price_in, price_out = ROUTES[route]["prices"]
    answers: dict[str, Any] = {"tokens": tokens, "tokensPerSecond": per_second, "firstTokenSeconds": first}
    prices = {"inputPerMillion": price_in, "outputPerMillion": price_out}
    return {"name": "primary", "type": "Simulated", "simulated": answers, "prices": prices}


async def history(stack: KeyedStack, keys: list[str], now: float) -> None:
    """Records of the days before: the broker stores them as a gateway would have."""
    connection = Connection(stack.nats.url, "gw-history", inbox_prefix=subjects.GATEWAY_INBOX)
    await connection.start()
    by_model = {model: route for route, fields in ROUTES.items() for model in fields["models"]}
    for day in range(1, DAYS):
        weekend = 0.35 if int((now / 86_400 - day + 3) % 7) > 4 else 1.0
        for _ in range(int(DRAW.uniform(16, 26) * weekend * (1.3 - day / 60))):
            model = DRAW.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
            price_in, price_out = ROUTES[by_model[model]]["prices"]
            tokens = Tokens(int(DRAW.lognormvariate(9, 1)), 0, int(DRAW.lognormvariate(7.5, 1)))
            rates = Rates(per_million(price_in), 0, per_million(price_out))
            row = UsageRow(
                id=f"req_{DRAW.getrandbits(96):024x}",
                key=DRAW.choices(keys, list(KEYS.values()))[0],
                route=f"default.{by_model[model]}",
                model=model,
                gateway="gw-history",
                started_at=now - day * 86_400,
                provider="primary",
                tokens=tokens,
                cost=decimal(rates.cost(tokens.input, 0, tokens.output)),
                ended="stop" if DRAW.random() > 0.03 else "provider_unavailable",
                delivery=1,
            )
            await open_row(connection, row)
    await connection.close()


async def user(stack: KeyedStack, secrets: list[str]) -> None:
    """Sends one request after another."""
    async with httpx.AsyncClient(base_url=stack.url, timeout=60) as client:
        while True:
            model = DRAW.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
            key = DRAW.choices(secrets, list(KEYS.values()))[0]
            prompt = "word " * DRAW.randint(20, 400)
            body = {"model": model, "stream": True, "messages": [{"role": "user", "content": prompt}]}
            await client.post("/v1/chat/completions", json=body, headers={"authorization": f"Bearer {key}"})
            await asyncio.sleep(DRAW.random())


async def take(page: FleetPage, name: str) -> None:
    picture = await page.run("return (await page.screenshot()).toString('base64')")
    (FOLDER / f"{name}.png").write_bytes(base64.b64decode(picture))


async def page_pictures(browser: Browser, stack: KeyedStack) -> None:
    route = "await page.getByRole('button', { name: 'default.chat' }).waitFor()"
    pages = {"fleet": LIGHT, "fleet-dark": DARK}

    async def routes(name: str, options: dict[str, Any]) -> None:
        async with FleetPage.opened(browser, stack, None, **options) as page:
            await page.run("await page.goto(args.url); await page.reload()", url=f"{page.url}/#token={ADMIN_TOKEN}")
            await page.run(route)
            await asyncio.sleep(WATCHED_S)
            await take(page, name)
            await page.usage()
            await take(page, name.replace("fleet", "fleet-usage"))

    await asyncio.gather(*(routes(name, options) for name, options in pages.items()))


async def terminal_picture(stack: KeyedStack) -> None:
    """The table as a person sees it: rich reads the colours back and writes an SVG."""
    command = [str(Path(sys.executable).parent / "penstock"), "top", "--once"]
    environ = {
        "PENSTOCK_ADMIN_URL": str(stack.admin.base_url),
        "PENSTOCK_ADMIN_TOKEN": ADMIN_TOKEN,
        "FORCE_COLOR": "1",
        "TERM": "xterm-256color",
    }
    ran = await asyncio.to_thread(subprocess.run, command, env=environ, capture_output=True, check=True)
    console = Console(record=True, width=132, file=io.StringIO())
    console.print(Text.from_ansi(ran.stdout.decode()))
    drawn = console.export_svg(title="penstock top")
    # Without rich's fonts of another host: the system's monospace is good enough.
    local = re.sub(r"\s*@font-face \{.*?\}|<!--.*?-->", "", drawn, flags=re.DOTALL)
    (FOLDER / "top.svg").write_text(local)


async def main() -> None:
    async with KeyedStack(route=None) as stack:
        for name, fields in ROUTES.items():
            await stack.apply(name, spec([simulated(name)], models=fields["models"], slots=fields["slots"]))
            await stack.start_worker(name)
        made = [await stack.create_key(name) for name in KEYS]
        now = (await stack.admin.get("/admin/fleet")).json()["at"]
        await history(stack, [key["id"] for key in made], now)
        users = [asyncio.create_task(user(stack, [key["key"] for key in made])) for _ in range(18)]
        browser = await Browser.start()
        try:
            await page_pictures(browser, stack)
            await terminal_picture(stack)
        finally:
            await browser.close()
            for task in users:
                task.cancel()
            await asyncio.gather(*users, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(main())
