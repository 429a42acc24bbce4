"""A provider that fails: before the first event another is tried, after it the stream ends."""

import asyncio

import pytest
from structlog.testing import capture_logs
from unit.support.fake_provider import FakeCall, wait
from unit.support.sessions import ACCEPTED, ACK, HI, STARTED, STOP, TERM, USAGE, Stage, answer, error, failed_of
from unit.support.virtual_time import virtual_time

from penstock_contract.errors import ErrorDetail, PenstockError
from penstock_contract.stream.events import Failed, Started
from penstock_worker.providers.failure.provider_failure import failure_of_error
from penstock_worker.providers.provider import ConnectionStale


@virtual_time
async def test_session_reports_a_failure_before_the_first_event_and_discards_the_request() -> None:
    stage = Stage((error("provider_rejected"),))
    await stage.task

    assert stage.events == [ACCEPTED, Failed(error("provider_rejected").detail)]
    assert stage.settled == [TERM]


@virtual_time
async def test_failover_stops_after_a_failure_that_is_the_same_everywhere() -> None:
    stage = Stage((error("provider_rejected"),), (answer,))
    await stage.task

    assert stage.providers[1].opened_at == []


@virtual_time
async def test_failover_calls_the_next_provider_after_a_refusal() -> None:
    stage = Stage((error("provider_auth_failed"),), (answer,))
    await stage.task

    assert stage.events == [ACCEPTED, Started("b"), HI, USAGE, STOP]
    assert len(stage.providers[0].opened_at) == 1


@virtual_time
async def test_failover_calls_the_next_provider_without_a_pause() -> None:
    stage = Stage((error("provider_unavailable"),), (answer,), draw=0.0)
    await stage.task

    assert stage.providers[0].opened_at == stage.providers[1].opened_at
    assert stage.events[1] == Started("b")


@virtual_time
async def test_failover_retries_the_only_provider_with_growing_pauses() -> None:
    stage = Stage((error("provider_unavailable"),), retries=2, draw=0.0)
    await stage.task

    first, second, third = stage.providers[0].opened_at
    assert (second - first, third - second) == (pytest.approx(0.125), pytest.approx(0.25))


@virtual_time
async def test_failover_retries_a_call_that_fails_after_it_was_opened() -> None:
    stage = Stage((lambda call: call.fail(error("provider_unavailable")), answer))
    await stage.task

    assert stage.events == [ACCEPTED, Started("a", 6), HI, USAGE, STOP]
    assert len(stage.providers[0].calls) == 2


@virtual_time
async def test_failover_waits_for_a_short_retry_after() -> None:
    stage = Stage((error("provider_rate_limited", 3), answer))
    await stage.task

    first, second = stage.providers[0].opened_at
    assert second - first == pytest.approx(3)
    assert stage.events[-1] == STOP


@virtual_time
async def test_failover_reports_a_long_retry_after_without_waiting() -> None:
    stage = Stage((error("provider_rate_limited", 60),))
    await stage.task

    assert failed_of(stage.events) == error("provider_rate_limited", 60).detail
    assert stage.elapsed_s == 0


@virtual_time
async def test_failover_reports_the_last_error_of_all_providers() -> None:
    stage = Stage((error("provider_unavailable"),), (error("provider_rate_limited", 60),), retries=0)
    await stage.task

    assert failed_of(stage.events).code == "provider_rate_limited"


@virtual_time
async def test_failover_does_not_wait_beyond_the_deadline() -> None:
    stage = Stage((error("provider_rate_limited", 7),), timeout_s=5)
    await stage.task

    assert stage.elapsed_s == 0
    assert failed_of(stage.events).code == "provider_rate_limited"


@virtual_time
async def test_failover_counts_no_try_for_a_stale_connection() -> None:
    stage = Stage((ConnectionStale(), ConnectionStale(), answer), retries=0)
    await stage.task

    assert stage.events[-1] == STOP
    assert stage.elapsed_s == 0


@virtual_time
async def test_session_reports_an_empty_answer_as_a_broken_stream() -> None:
    stage = Stage((lambda call: call.end(),), retries=0)
    await stage.task

    assert failed_of(stage.events).code == "provider_stream_broken"
    assert stage.settled == [TERM]


@virtual_time
async def test_session_reports_an_unexpected_error_without_its_message(capsys: pytest.CaptureFixture[str]) -> None:
    def explode(call: FakeCall) -> None:
        del call
        raise KeyError("a secret of ours")

    stage = Stage((explode,))
    await stage.task

    assert failed_of(stage.events) == ErrorDetail("internal_error", "internal error")
    assert stage.settled == [TERM]
    assert "worker.request_failed" in capsys.readouterr().out


@virtual_time
async def test_failover_retries_nothing_after_the_first_event() -> None:
    stage = Stage((wait,), (answer,))
    await stage.settle()
    stage.providers[0].calls[0].emit(HI)
    stage.providers[0].calls[0].fail(error("provider_stream_broken"))
    await stage.task

    assert stage.events == [ACCEPTED, STARTED, HI, Failed(error("provider_stream_broken").detail)]
    assert stage.settled == [ACK]
    assert stage.providers[1].opened_at == []


@virtual_time
async def test_session_reports_an_answer_without_its_finish_as_broken() -> None:
    stage = Stage((wait,))
    await stage.settle()
    stage.providers[0].calls[0].emit(HI)
    stage.providers[0].calls[0].end()
    await stage.task

    assert failed_of(stage.events).code == "provider_stream_broken"


@virtual_time
async def test_session_ignores_events_after_the_finish() -> None:
    stage = Stage((answer,))
    await stage.task
    stage.providers[0].calls[0].fail(error("provider_unavailable"))

    assert stage.events[-1] == STOP
    assert not stage.providers[0].calls[0].aborted


@virtual_time
async def test_failover_waits_for_a_slot_of_the_provider() -> None:
    slots = asyncio.Semaphore(1)
    first, second = Stage((wait,), slots=slots), Stage((answer,), slots=slots)
    await first.settle()
    assert second.providers[0].opened_at == []

    answer(first.providers[0].calls[0])
    await second.task
    assert second.events[-1] == STOP


@virtual_time
async def test_failover_releases_the_slot_after_a_failure() -> None:
    slots = asyncio.Semaphore(1)
    await Stage((error("provider_rejected"),), slots=slots).task
    second = Stage((answer,), slots=slots)
    await second.task

    assert second.events[-1] == STOP


@virtual_time
async def test_failover_does_not_wait_for_a_slot_beyond_the_deadline() -> None:
    slots = asyncio.Semaphore(0)
    stage = Stage((answer,), slots=slots, timeout_s=7)
    await stage.task

    assert stage.elapsed_s == pytest.approx(7)
    assert failed_of(stage.events).code == "request_timeout"
    assert stage.settled == [TERM]


def refused(message: str) -> PenstockError:
    return failure_of_error({"code": 400, "message": message, "param": "foo"})


@virtual_time
async def test_session_passes_the_providers_message_to_the_client() -> None:
    stage = Stage((lambda call: call.fail(refused("foo must be a number")),), (answer,))
    await stage.task

    assert failed_of(stage.events) == ErrorDetail("provider_rejected", "foo must be a number", "foo")
    assert stage.providers[1].opened_at == []


@virtual_time
async def test_session_hides_the_providers_message_if_the_route_does() -> None:
    stage = Stage((lambda call: call.fail(refused("foo must be a number")),), spec={"errorMessages": "Hide"})
    await stage.task

    assert failed_of(stage.events) == ErrorDetail(
        "provider_rejected", "the provider rejected the request as invalid", "foo"
    )


@virtual_time
@pytest.mark.parametrize(("in_log", "logged"), [(False, 0), (True, 1)])
async def test_session_logs_the_providers_message_only_if_the_route_allows_it(in_log: bool, logged: int) -> None:
    stage = Stage((lambda call: call.fail(refused("the prompt")),), spec={"errorMessagesInLog": in_log})
    with capture_logs() as lines:
        await stage.task

    [line] = [one for one in lines if one["event"] == "worker.call_ended"]
    assert line["code"] == "provider_rejected"
    assert str(line).count("the prompt") == logged


@virtual_time
async def test_failover_opens_no_circuit_for_an_unknown_model_of_the_client() -> None:
    stage = Stage((error("provider_model_not_found"),), (answer,), spec={"models": [{"name": "*"}]}, model="made-up")
    await stage.task

    first, second = stage.specs
    assert stage.breaker.order([first, second], 0.0) == [first, second]
