"""The admin API's view of the fleet: equal to `/metrics`, to the usage records, and over all gateways."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from harness.expect import error_of
from harness.exposition import Exposition
from harness.keyed import ADMIN_TOKEN, FIRST_KEY, KeyedStack
from harness.processes import free_port, until
from harness.provider_answers import chunk, finish, status, stream, text_then_wait, usage
from harness.route_spec import completion, provider

pytestmark = pytest.mark.asyncio(loop_scope="module")

PRICES = {"inputPerMillion": "2", "outputPerMillion": "8"}
ROUTE = "default.main"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def keyed() -> AsyncIterator[KeyedStack]:
    """One gateway that has served six requests of two keys, of which two failed; two were rejected before a route."""
    async with KeyedStack(models=["main", "second"]) as stack:
        await stack.reconfigure(
            providers=[provider("main", stack.main.base_url, prices=PRICES)], models=["main", "second"]
        )
        stack.keys = [await stack.create_key(name) for name in ("Ada", "Bob")]
        ada, bob = (stack.with_key(made["key"]) for made in stack.keys)
        stack.main.answers(stream(chunk("one"), chunk("two"), finish(), usage(1000, 50)))
        for caller, model in ((ada, "main"), (ada, "second"), (bob, "main"), (bob, "main")):
            answer = await caller.post("/v1/chat/completions", json={**completion(), "model": model, "stream": True})
            assert answer.status_code == 200
        stack.main.answers(status(400))
        for caller in (ada, bob):
            assert (await caller.post("/v1/chat/completions", json=completion())).status_code == 400
        assert (await ada.post("/v1/chat/completions", json={**completion(), "model": "no-such-model"})).is_error
        assert (await stack.with_key("sk-penstock-" + "x" * 44).get("/v1/models")).status_code == 401
        await until(lambda: _closed(stack, 6), "every row is closed")
        yield stack


async def _closed(stack: KeyedStack, requests: int) -> bool:
    rows = (await stack.admin.get("/admin/usage/rows")).json()["rows"]
    return len(rows) == requests and all("ended" in row for row in rows)


async def read(stack: KeyedStack) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fleet, and its only route."""
    answer = await stack.admin.get("/admin/fleet")
    assert answer.status_code == 200, answer.text
    fleet: dict[str, Any] = answer.json()
    (route,) = fleet["routes"]
    return fleet, route


async def test_fleet_counts_of_this_gateway_equal_its_metrics(keyed: KeyedStack) -> None:
    fleet, route = await read(keyed)
    metrics = Exposition((await keyed.admin.get("/metrics")).text)
    here = route["this_gateway"]

    assert here["requests"] == metrics.sum("gen_ai_server_request_duration_seconds_count", penstock_route=ROUTE) == 6
    assert here["errors"] == metrics.by("error_type", "gen_ai_server_request_duration_seconds_count", ROUTE)
    assert here["errors"] == {"provider_rejected": 2}
    assert here["failed"] == 2
    for kind, expected in (("input", 4000), ("output", 200)):
        assert here[f"{kind}_tokens"] == metrics.sum("penstock_tokens_total", gen_ai_token_type=kind) == expected
    assert here["first_token"]["count"] == metrics.sum("gen_ai_server_time_to_first_token_seconds_count") == 4
    for name, share in (("p50_s", 0.5), ("p95_s", 0.95), ("p99_s", 0.99)):
        assert here["first_token"][name] == metrics.quantile("gen_ai_server_time_to_first_token_seconds", share)
    (gateway,) = fleet["gateways"]
    assert gateway["in_flight"] == metrics.sum("penstock_streams_in_flight") == 0
    counted = metrics.by("error_type", "penstock_errors_total")
    assert gateway["errors"] == {code: count for code, count in counted.items() if count}
    assert gateway["errors"].keys() >= {"provider_rejected", "model_not_found", "invalid_api_key"}


async def test_fleet_of_one_gateway_is_that_gateway(keyed: KeyedStack) -> None:
    fleet, route = await read(keyed)
    assert route["fleet"] == route["this_gateway"]
    assert [one["gateway"] for one in fleet["gateways"]] == [fleet["gateway"]]
    assert fleet["broker_connected"] is True


async def test_fleet_spend_today_equals_the_usage_records(keyed: KeyedStack) -> None:
    fleet, route = await read(keyed)
    spend = fleet["spend_today"]
    sums = (await keyed.admin.get("/admin/usage", params={"by": "key", "since": spend["since"]})).json()["sums"]

    assert spend["complete"] is True
    assert {one["key"]: (one["requests"], one["cost"]) for one in spend["keys"]} == {
        one["of"]: (one["requests"], one["cost"]) for one in sums
    }
    assert {one["name"]: one["cost"] for one in spend["keys"]} == {"Ada": "0.0048", "Bob": "0.0048"}
    assert (spend["total"], route["cost_today"], route["spend_today"]) == ("0.0096", "0.0096", spend["keys"])


async def test_fleet_shows_an_open_stream_and_its_tokens_per_second(keyed: KeyedStack) -> None:
    keyed.main.answers(text_then_wait(*["word "] * 200))
    async with keyed.stream("/v1/chat/completions", {**completion(), "stream": True}) as reader:
        await read(keyed)
        await reader.event()

        async def shown() -> bool:
            route = (await read(keyed))[1]
            return bool(route["in_flight"] == 1 and route["fleet"]["output_tokens_per_second"] > 0)

        await until(shown, "the stream and its tokens are shown")
        fleet, route = await read(keyed)
        assert fleet["gateways"][0]["in_flight"] == 1
        assert (route["waiting"], route["delivered"], route["workers"], route["slots"]) == (0, 0, 1, 64)

    async def ended() -> bool:
        return bool((await read(keyed))[1]["in_flight"] == 0)

    await until(ended, "the stream is not in flight any more")


async def test_fleet_shows_what_waits_in_the_queue(keyed: KeyedStack) -> None:
    await keyed.reconfigure(slots=1)
    keyed.main.answers(text_then_wait("word"))
    body = {**completion(), "stream": True}
    async with keyed.stream("/v1/chat/completions", body) as reader:
        await reader.event()
        waiting = [asyncio.create_task(keyed.post("/v1/chat/completions", body)) for _ in range(3)]

        async def shown() -> bool:
            route = (await read(keyed))[1]
            return bool((route["waiting"], route["in_flight"], route["slots"]) == (3, 1, 1))

        await until(shown, "three requests wait")
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    await keyed.reconfigure(providers=[provider("main", keyed.main.base_url, prices=PRICES)], models=["main", "second"])


async def test_fleet_requires_the_token(keyed: KeyedStack) -> None:
    error_of(await keyed.caller(str(keyed.admin.base_url)).get("/admin/fleet"), 401, "invalid_api_key")
    error_of(await keyed.client.get("/admin/fleet"), 404, "not_found")


async def test_fleet_sums_the_counts_of_every_gateway() -> None:
    async with KeyedStack() as stack:
        other_admin = free_port()
        other = await stack.another_gateway(PENSTOCK_ADMIN_PORT=str(other_admin))
        stack.main.answers(stream(chunk("one"), finish(), usage(1000, 50)))
        for url, times in ((stack.url, 2), (other, 3)):
            for _ in range(times):
                answer = await stack.with_key(FIRST_KEY, url).post("/v1/chat/completions", json=completion())
                assert answer.status_code == 200

        async def both() -> bool:
            return len((await read(stack))[0]["gateways"]) == 2

        await until(both, "both gateways are known")
        fleet, route = await read(stack)
        assert [one["reports"] for one in fleet["gateways"]] == [True, True]
        assert (route["this_gateway"]["requests"], route["fleet"]["requests"]) == (2, 5)
        assert (route["this_gateway"]["output_tokens"], route["fleet"]["output_tokens"]) == (100, 250)
        served = stack.caller(f"http://127.0.0.1:{other_admin}", {"authorization": f"Bearer {ADMIN_TOKEN}"})
        elsewhere = (await served.get("/admin/fleet")).json()
        assert elsewhere["gateway"] != fleet["gateway"]
        (same,) = elsewhere["routes"]
        assert same["this_gateway"]["requests"] == 3
        assert {**same["fleet"], "output_tokens_per_second": 0} == {**route["fleet"], "output_tokens_per_second": 0}
        texts = [(await client.get("/metrics")).text for client in (stack.admin, served)]
        counted = [Exposition(text).sum("gen_ai_server_request_duration_seconds_count") for text in texts]
        assert sum(counted) == route["fleet"]["requests"]


async def test_fleet_without_the_broker_shows_what_its_gateway_knows() -> None:
    async with KeyedStack() as stack:
        stack.main.answers(stream(chunk("one"), finish(), usage(10, 5)))
        assert (await stack.post("/v1/chat/completions", completion())).status_code == 200
        await read(stack)
        stack.nats.kill()
        await stack.gateway.logged("broker.disconnected")

        async def away() -> bool:
            return (await read(stack))[0]["broker_connected"] is False

        await until(away, "the fleet is without its broker")
        route = (await read(stack))[1]
        assert (route["waiting"], route["delivered"]) == (None, None)
        assert route["this_gateway"]["requests"] == 1


async def test_fleet_without_metrics_reports_that_they_are_off() -> None:
    async with KeyedStack(gateway_env={"OTEL_SDK_DISABLED": "true"}) as stack:
        fleet, route = await read(stack)
        assert [one["has_metrics"] for one in fleet["gateways"]] == [False]
        assert (route["workers"], route["fleet"]["requests"]) == (1, 0)


async def test_fleet_is_read_by_a_gateway_with_the_permissions_of_a_cluster() -> None:
    async with KeyedStack(users=True) as stack:
        await stack.another_gateway()

        async def both() -> bool:
            return [one["reports"] for one in (await read(stack))[0]["gateways"]] == [True, True]

        await until(both, "both gateways report")
        assert (await read(stack))[1]["waiting"] == 0
