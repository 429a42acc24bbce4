"""Choice of the provider, retries and fallback; changes of a route without a restart."""

import asyncio
import time
from email.utils import formatdate

import pytest
from harness.expect import error_of
from harness.processes import until
from harness.provider_answers import chunk, finish, refuse, silence, status, text_stream, text_then_cut, when
from harness.provider_call import Answer, Call
from harness.route_spec import KEY, completion, provider, spec
from harness.stack import Stack
from harness.stream_reader import texts_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

DRAWS = 40


async def request(stack: Stack) -> str:
    response = await stack.post("/api/chat", completion())
    assert response.status_code == 200, response.text
    return texts_of(response.text)


@pytest.mark.parametrize(
    ("headers", "asked_s"),
    [({"retry-after": "1"}, 1.0), ({"retry-after-ms": "300"}, 0.3), ({"retry-after-ms": "0"}, 0.0)],
    ids=["seconds", "milliseconds", "zero"],
)
async def test_worker_retries_after_the_providers_retry_after(
    stack: Stack, headers: dict[str, str], asked_s: float
) -> None:
    stack.main.answers(status(429, headers), text_stream("Hello"))
    assert await request(stack) == "Hello"
    first, second = stack.main.calls
    assert second.at - first.at >= asked_s
    # Not longer either, as the worker logs it: a measured time would include the machine's delays.
    assert (await stack.worker.logged("worker.call_ended"))["retry_after_s"] == asked_s


async def test_worker_retries_after_the_providers_retry_date(stack: Stack) -> None:
    date = int(time.time()) + 2
    stack.main.answers(status(503, {"retry-after": formatdate(date, usegmt=True)}), text_stream("Hello"))
    assert await request(stack) == "Hello"
    assert date <= time.time()
    assert 0 < (await stack.worker.logged("worker.call_ended"))["retry_after_s"] <= 2


async def test_worker_backs_off_without_a_retry_after(stack: Stack) -> None:
    stack.main.answers(status(500), status(502), text_stream("Hello"))
    assert await request(stack) == "Hello"
    first, second, third = (call.at for call in stack.main.calls)
    assert second - first > 0.12
    assert third - second > 0.24
    assert [line["retry_after_s"] for line in stack.worker.events("worker.call_ended")] == [None, None]


@pytest.mark.parametrize("trouble", [status(500), status(429, {"retry-after-ms": "1"}), refuse])
async def test_worker_falls_back_at_once_from_an_unavailable_provider(stack: Stack, trouble: Answer) -> None:
    second = stack.provider.upstream("second")
    await stack.reconfigure(
        providers=[provider("second", second.base_url, priority=7), provider("main", stack.main.base_url, priority=1)],
        routing={"retries": 1},
    )
    stack.main.answers(trouble)
    second.answers(text_stream("from the second"))
    assert await request(stack) == "from the second"
    assert (len(stack.main.calls), len(second.calls)) == (1, 1)
    assert stack.main.calls[0].body == second.calls[0].body


async def test_worker_alternates_between_unavailable_providers_up_to_the_routes_retries(stack: Stack) -> None:
    second = stack.provider.upstream("second")
    await stack.reconfigure(
        providers=[provider("main", stack.main.base_url, priority=1), provider("second", second.base_url, priority=7)],
        routing={"retries": 1},
    )
    stack.main.answers(status(500))
    second.answers(status(500))
    error_of(await stack.post("/v1/chat/completions", completion()), 502, "provider_unavailable")
    assert (len(stack.main.calls), len(second.calls)) == (2, 2)


async def test_worker_calls_a_failed_provider_last_for_the_next_request(stack: Stack) -> None:
    second = stack.provider.upstream("second")
    await stack.reconfigure(
        providers=[provider("main", stack.main.base_url, priority=1), provider("second", second.base_url, priority=7)],
    )
    stack.main.answers(status(500))
    second.answers(text_stream("from the second"))
    assert [await request(stack) for _ in range(3)] == ["from the second"] * 3
    assert (len(stack.main.calls), len(second.calls)) == (1, 3)


@pytest.mark.parametrize(
    "trouble",
    [status(401), status(404), status(429, {"retry-after": "60"}), silence],
    ids=["auth", "no-model", "long-pause", "late"],
)
async def test_worker_falls_back_at_once_after_a_permanent_failure(stack: Stack, trouble: Answer) -> None:
    second = stack.provider.upstream("second")
    await stack.reconfigure(
        providers=[provider("main", stack.main.base_url), provider("second", second.base_url, priority=1)],
        limits={"firstTokenTimeoutSeconds": 0.5},
    )
    stack.main.answers(trouble)
    second.answers(text_stream("from the second"))
    assert await request(stack) == "from the second"
    assert len(stack.main.calls) == 1


async def test_worker_does_not_fall_back_after_an_invalid_request(stack: Stack) -> None:
    second = stack.provider.upstream("second")
    await stack.reconfigure(
        providers=[provider("main", stack.main.base_url), provider("second", second.base_url, priority=1)]
    )
    stack.main.answers(status(400))
    error_of(await stack.post("/api/chat", completion()), 400, "provider_rejected")
    assert not second.calls


async def test_worker_does_not_fall_back_after_the_first_event(stack: Stack) -> None:
    second = stack.provider.upstream("second")
    await stack.reconfigure(
        providers=[provider("main", stack.main.base_url), provider("second", second.base_url, priority=1)]
    )
    stack.main.answers(text_then_cut("Hel"))
    assert "provider_stream_broken" in (await stack.post("/api/chat", completion())).text
    assert (len(stack.main.calls), len(second.calls)) == (1, 0)


async def test_worker_never_calls_a_provider_of_weight_zero(stack: Stack) -> None:
    off = stack.provider.upstream("off")
    await stack.reconfigure(
        providers=[provider("off", off.base_url, weight=0), provider("main", stack.main.base_url)],
        routing={"retries": 0},
    )
    for _ in range(5):
        assert await request(stack) == "Hello"
    stack.main.answers(status(500))
    error_of(await stack.post("/api/chat", completion()), 502, "provider_unavailable")
    assert not off.calls


async def test_worker_shares_requests_by_weight(stack: Stack) -> None:
    heavy = stack.provider.upstream("heavy")
    await stack.reconfigure(
        providers=[provider("main", stack.main.base_url, weight=1), provider("heavy", heavy.base_url, weight=9)]
    )
    await asyncio.gather(*(request(stack) for _ in range(DRAWS)))
    assert len(stack.main.calls) + len(heavy.calls) == DRAWS
    # 40 draws of 90 %: fewer than 24 happen once in ten million runs.
    assert len(heavy.calls) >= 24


async def test_worker_respects_a_providers_concurrency_bound(stack: Stack) -> None:
    await stack.reconfigure(providers=[provider("main", stack.main.base_url, maxInFlight=2)])
    gate = asyncio.Event()
    stack.main.answers(when(gate, text_stream("Hello")))
    requests = [asyncio.create_task(request(stack)) for _ in range(6)]
    await stack.main.called(2)
    await until(lambda: _in_flight(stack) == 6, "the worker holds all six")
    assert stack.main.open == 2
    gate.set()
    assert await asyncio.gather(*requests) == ["Hello"] * 6
    assert stack.main.open_max == 2


async def test_worker_sends_the_providers_key_and_no_client_headers(stack: Stack) -> None:
    headers = {"authorization": "Bearer the-clients-own", "x-custom": "the-clients-own", "cookie": "the-clients-own"}
    await stack.post("/api/chat", completion(), headers=headers)
    sent = stack.main.calls[0].headers
    assert sent["authorization"] == f"Bearer {KEY}"
    assert "the-clients-own" not in str(sent)


async def test_worker_requests_the_providers_model_name(stack: Stack) -> None:
    await stack.reconfigure(
        providers=[provider("main", stack.main.base_url, model="vendor/model-7b")],
        models=[{"name": "main", "aliases": ["nickname"]}],
    )
    response = await stack.post("/v1/chat/completions", {**completion(), "model": "nickname"})
    assert response.json()["model"] == "nickname"
    assert stack.main.calls[0].body["model"] == "vendor/model-7b"


async def test_worker_requests_usage_whether_the_client_does_or_not(stack: Stack) -> None:
    await stack.post("/api/chat", completion())
    assert stack.main.calls[0].body["stream_options"] == {"include_usage": True}


# A change of the route


async def test_worker_applies_a_new_provider_without_a_restart(stack: Stack) -> None:
    pids = [process.pid for process in stack.processes]
    assert await request(stack) == "Hello"
    second = stack.provider.upstream("second")
    second.answers(text_stream("from the second"))
    await stack.reconfigure(providers=[provider("second", second.base_url)])
    assert await request(stack) == "from the second"
    assert [process.pid for process in stack.processes if process.alive] == pids


async def test_worker_keeps_an_open_stream_when_its_route_changes(stack: Stack) -> None:
    gate = asyncio.Event()

    async def slow(call: Call) -> None:
        await call.head()
        await call.write(chunk("Hel"))
        await gate.wait()
        await call.write(chunk("lo") + finish())
        await call.end()

    stack.main.answers(slow)
    async with stack.stream("/api/chat", completion()) as stream:
        assert await stream.event() == 'data: {"text":"Hel"}'
        second = stack.provider.upstream("second")
        await stack.reconfigure(providers=[provider("second", second.base_url)])
        gate.set()
        assert await stream.rest() == 'data: {"text":"lo"}\n\ndata: [DONE]\n\n'


async def test_catalogue_adds_and_removes_a_model_with_its_route(stack: Stack) -> None:
    other = stack.provider.upstream("other")
    other.answers(text_stream("from the other"))
    spec_ = spec([provider("other", other.base_url)], models=["other"])
    await stack.apply("other", spec_)
    await stack.start_worker("other")
    response = await stack.post("/api/chat", completion() | {"model": "other"})
    assert texts_of(response.text) == "from the other"
    await stack.remove("other")
    error_of(await stack.post("/api/chat", completion() | {"model": "other"}), 404, "model_not_found", param="model")
    assert await request(stack) == "Hello"


async def test_catalogue_gives_a_contested_model_to_the_older_route(stack: Stack) -> None:
    other = stack.provider.upstream("other")
    await stack.apply("younger", spec([provider("other", other.base_url)], models=["main"]))
    assert await request(stack) == "Hello"
    assert not other.calls
    await stack.remove("younger")


async def test_worker_slots_follow_the_route(stack: Stack) -> None:
    await stack.reconfigure(slots=1)
    gate = asyncio.Event()
    stack.main.answers(when(gate, text_stream("Hello")))
    requests = [asyncio.create_task(request(stack)) for _ in range(3)]
    await stack.main.called(1)
    await stack.reconfigure(slots=3)
    await stack.main.called(3)
    gate.set()
    await asyncio.gather(*requests)


def _in_flight(stack: Stack) -> int:
    return sum(beat.in_flight for beat in stack.heartbeats.values())
