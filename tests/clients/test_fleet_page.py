"""The fleet page in a real browser: figures as at `/metrics`, sums as of `penstock usage`, token, access, errors."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from browser import Browser
from fleet_page import FleetPage
from harness.exposition import Exposition
from harness.keyed import ADMIN_TOKEN, KeyedStack
from harness.processes import until
from harness.provider_answers import chunk, finish, status, stream, text_then_wait, usage
from harness.route_spec import completion, provider
from library_process import INSTALLED

from penstock_broker.connection import Connection
from penstock_broker.stores.usage import open_row
from penstock_contract import subjects
from penstock_contract.usage.record import Tokens, UsageRow

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

AXE = str(INSTALLED / "node" / "node_modules" / "axe-core" / "axe.min.js")
PRICES = {"inputPerMillion": "2", "outputPerMillion": "8"}
PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}}
LONG_AGO_S = 20 * 86_400
LARGE = "9007199254740993.000000000001"
"""No float has this amount: it is 2**53 + 1 and a pico."""


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def stack() -> AsyncIterator[KeyedStack]:
    """Requests of two keys today, of which one failed, and one of a large amount that began twenty days ago."""
    async with KeyedStack(models=["main", "=second"]) as stack:
        await stack.reconfigure(
            providers=[provider("main", stack.main.base_url, prices=PRICES)], models=["main", "=second"]
        )
        ada, bob = [stack.with_key((await stack.create_key(name))["key"]) for name in ("Ada", "Bob <b>")]
        stack.main.answers(stream(chunk("one"), chunk("two"), finish(), usage(1000, 50)))
        for caller, model in ((ada, "main"), (ada, "main"), (bob, "=second")):
            body = {**completion(), "model": model, "stream": True}
            assert (await caller.post("/v1/chat/completions", json=body)).status_code == 200
        stack.main.answers(status(400))
        await ada.post("/v1/chat/completions", json=completion())
        await _add_old_row(stack)
        await until(lambda: _closed(stack), "every row is closed")
        yield stack


async def _add_old_row(stack: KeyedStack) -> None:
    now = (await stack.admin.get("/admin/fleet")).json()["at"]
    connection = Connection(stack.nats.url, "gw-old", inbox_prefix=subjects.GATEWAY_INBOX)
    await connection.start()
    row = UsageRow(
        id="req_0123456789abcdef01234567",
        key="anonymous",
        route="default.main",
        model="main",
        gateway="gw-old",
        started_at=now - LONG_AGO_S,
        provider="main",
        tokens=Tokens(1, 0, 1),
        cost=LARGE,
        ended="stop",
        delivery=1,
    )
    await open_row(connection, row)
    await connection.close()


async def _closed(stack: KeyedStack) -> bool:
    rows = (await stack.admin.get("/admin/usage/rows")).json()["rows"]
    return len(rows) == 5 and all("ended" in row for row in rows)


async def _shows_requests(page: FleetPage, number: str) -> bool:
    (cells,) = await page.cells("#route-table")
    return bool(cells[8] == number)


async def test_fleet_page_shows_the_figures_of_the_metrics(stack: KeyedStack, browser: Browser) -> None:
    metrics = Exposition((await stack.admin.get("/metrics")).text)
    counted = f"{metrics.sum('gen_ai_server_request_duration_seconds_count'):.0f}"
    async with FleetPage.opened(browser, stack) as page:
        # What all gateways have counted arrives with their reports, one a second.
        await until(lambda: _shows_requests(page, counted), "the page shows every request")
        (cells,) = await page.cells("#route-table")
        (route,) = (await stack.admin.get("/admin/fleet")).json()["routes"]
        await page.press("This gateway")
        assert await page.cells("#route-table") == [cells]
    name, waiting, in_flight, workers, _, p50, p95, p99, requests, errors, today = cells
    assert (name, waiting, in_flight, workers) == ("default.main", "0", "0/64", "1")
    assert float(requests) == metrics.sum("gen_ai_server_request_duration_seconds_count") >= 4
    failed = metrics.by("error_type", "gen_ai_server_request_duration_seconds_count")
    assert errors.split()[0] == f"{sum(failed.values()):.0f}"
    for shown, share in ((p50, 0.5), (p95, 0.95), (p99, 0.99)):
        seconds = metrics.quantile("gen_ai_server_time_to_first_token_seconds", share)
        assert shown == f"{seconds * 1000:.0f} ms"
    assert route["cost_today"].startswith(today)
    assert today.startswith("0.00")


async def test_fleet_page_is_live(stack: KeyedStack, browser: Browser) -> None:
    stack.main.answers(text_then_wait(*["word "] * 50))
    body = {**completion(), "stream": True}
    async with FleetPage.opened(browser, stack) as page, stack.stream("/v1/chat/completions", body) as reader:
        await reader.event()
        await page.shows("1/64")
        await page.run("await page.locator('.tile .spark .line').first().waitFor({ state: 'attached' })")
        assert await page.evaluate("document.getElementById('live').textContent") == "live"


async def test_fleet_page_shows_errors_and_keys_of_a_route(stack: KeyedStack, browser: Browser) -> None:
    async with FleetPage.opened(browser, stack) as page:
        await page.press("default.main")
        details = await page.run("return page.locator('tr.details').innerText()")
        assert "provider_rejected" in details
        assert "Ada" in details
        assert "Bob <b>" in details
        # The next readings keep the row open and the focus on it.
        await page.run("await page.waitForResponse(/admin.fleet/); await page.waitForResponse(/admin.fleet/)")
        assert await page.evaluate("document.activeElement.dataset.route") == "default.main"
        await page.press("Errors")
        assert await page.evaluate("document.querySelectorAll('[aria-sort=descending]').length") == 1


@pytest.mark.parametrize("by", ["day", "key", "model"])
async def test_fleet_page_shows_the_sums_of_the_usage_exactly(stack: KeyedStack, browser: Browser, by: str) -> None:
    async with FleetPage.opened(browser, stack) as page:
        await page.usage()
        rows = await page.cells(f"#usage-{by} table")
        total = await page.run("return page.locator('#usage-totals .value').first().getAttribute('title')")
        sums = (await stack.admin.get("/admin/usage", params={"by": by})).json()["sums"]
        names = {key["id"]: key["name"] for key in (await stack.admin.get("/admin/keys")).json()["keys"]}
        bars = await page.run("return page.locator(`#usage-${args.by} svg rect`).count()", by=by)
    assert {row[0]: (row[1], row[5]) for row in rows} == {
        names.get(one["of"], one["of"]): (str(one["requests"]), one["cost"]) for one in sums
    }
    assert total.startswith("9007199254740993.00")
    assert any(row[5] == LARGE for row in rows) or by == "model"
    assert bars == (30 if by == "day" else len(sums))


async def test_fleet_page_stores_the_csv_of_the_command(stack: KeyedStack, browser: Browser) -> None:
    async with FleetPage.opened(browser, stack) as page:
        await page.usage()
        file, text = await page.download("CSV by model")
    assert re.fullmatch(r"penstock-usage-by-model-\d{4}-\d\d-\d\d-\d{4}-\d\d-\d\d\.csv", file)
    assert text == (await stack.admin.get("/admin/usage.csv?by=model")).text
    assert "'=second" in text


async def test_fleet_page_limits_the_usage_to_its_days(stack: KeyedStack, browser: Browser) -> None:
    async with FleetPage.opened(browser, stack) as page:
        await page.usage()
        await page.press("7 days")
        await page.run(
            "await page.waitForFunction(() => document.querySelectorAll('#usage-day svg rect').length === 7)"
        )
        rows = await page.cells("#usage-day table")
        days = (await stack.admin.get("/admin/usage?by=day")).json()["sums"]
        await page.run("await page.getByLabel('Measure').selectOption('requests')")
        await page.run("await page.getByRole('img', { name: /Requests by day/ }).waitFor()")
    assert len(days) == 2
    assert [(row[0], row[5]) for row in rows] == [(days[1]["of"], days[1]["cost"])]


async def test_fleet_page_asks_for_the_token_and_keeps_it_in_the_tab(stack: KeyedStack, browser: Browser) -> None:
    enter = "await page.getByRole('textbox').fill(args.token); await page.keyboard.press('Enter')"
    async with FleetPage.opened(browser, stack, None) as page:
        await page.run("await page.getByRole('dialog').waitFor()")
        assert "default.main" not in await page.evaluate("document.body.innerText")
        await page.run(enter, token="wrong-token")
        await page.shows("Enter another token")
        await page.run(enter, token=ADMIN_TOKEN)
        await page.shows("default.main")
        await page.run("await page.reload()")
        await page.shows("default.main")
        assert await page.evaluate("Object.values(localStorage).length") == 0
        assert ADMIN_TOKEN in await page.evaluate("Object.values(sessionStorage)")
        await page.press("Forget the token")
        await page.run("await page.getByRole('dialog').waitFor()")
        assert await page.evaluate("sessionStorage.length") == 0


async def test_fleet_page_removes_the_token_from_its_address(stack: KeyedStack, browser: Browser) -> None:
    async with FleetPage.opened(browser, stack) as page:
        assert await page.evaluate("location.href") == f"{page.url}/"
        assert all(ADMIN_TOKEN not in address for address in page.page.record.requests)


async def test_fleet_page_keeps_the_last_figures_while_the_gateway_is_away(browser: Browser) -> None:
    async with KeyedStack() as stack, FleetPage.opened(browser, stack) as page:
        await stack.gateway.end()
        await page.shows("trying again")
        assert (await page.cells("#route-table"))[0][0] == "default.main"
        await stack.start_gateway()
        await page.run("await page.getByText('trying again').waitFor({ state: 'detached' })")


@pytest.mark.parametrize(
    "options", [{"colorScheme": "light"}, {"colorScheme": "dark"}, PHONE], ids=["light", "dark", "phone"]
)
async def test_fleet_page_has_no_serious_fault_of_access(
    stack: KeyedStack, browser: Browser, options: dict[str, Any]
) -> None:
    async with FleetPage.opened(browser, stack, **options) as page:
        await page.press("default.main")
        found = await _faults(page)
        await page.usage()
        assert [*found, *await _faults(page)] == []
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def _faults(page: FleetPage) -> list[Any]:
    """Serious and critical faults that axe-core finds in the page as it is."""
    found: list[Any] = await page.run(
        "const { readFile } = await import('node:fs/promises');"
        "await page.evaluate(await readFile(args.path, 'utf8'));"
        "const { violations } = await page.evaluate(() => axe.run());"
        "return violations.filter(({ impact }) => ['serious', 'critical'].includes(impact))"
        ".map(({ id, nodes }) => [id, nodes.map((node) => node.html + ' ' + node.failureSummary)])",
        path=AXE,
    )
    return found


async def test_fleet_page_is_public_and_its_figures_are_not(stack: KeyedStack) -> None:
    stranger = stack.caller(str(stack.admin.base_url))
    page = await stranger.get("/")
    assert page.status_code == 200
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert "'unsafe-inline'" not in page.headers["content-security-policy"]
    for path in re.findall(r'(?:src|href)="((?:page|theme)/[^"]+)"', page.text):
        assert (await stranger.get(f"/{path}")).status_code == 200, path
    for path in ("/admin/fleet", "/admin/usage", "/admin/usage.csv", "/admin/keys", "/page/", "/page/nothing.js"):
        assert (await stranger.get(path)).status_code == 401, path
    assert (await stack.client.get("/page/main.js")).status_code == 404
