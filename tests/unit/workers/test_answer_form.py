"""The form of an answer where a provider refuses streams."""

import json
from typing import Any

import msgspec
import pytest
from unit.support.fake_provider import FakeCall, wait
from unit.support.operations import chat
from unit.support.sessions import ACCEPTED, HI, STARTED, STOP, USAGE, Stage, answer, failed_of
from unit.support.virtual_time import virtual_time

from penstock_contract.route.provider import ProviderSpec
from penstock_contract.usage.record import NOTHING_UNANSWERED
from penstock_worker.providers.answer_form import KEPT_S, MODELS_MAX, AnswerForms, in_form, next_form
from penstock_worker.providers.failure.provider_failure import failure_of_status
from penstock_worker.upstream.provider_factory import ADAPTERS

REFUSED = {
    "stream": b'{"error":{"message":"no","param":"stream","code":"unsupported_value"}}',
    "stream_options": b'{"error":{"message":"no","param":"stream_options","code":"unknown_parameter"}}',
    "messages": b'{"error":{"message":"no","param":"messages"}}',
}


def refusing(field: str) -> Any:
    return lambda call: call.fail(failure_of_status(400, {}, REFUSED[field]), refused=True)


@pytest.mark.parametrize("type_", ["OpenAI", "Anthropic", "AzureOpenAI", "CloudflareWorkersAI"])
def test_answer_form_whole_has_no_stream_fields(type_: str) -> None:
    spec = msgspec.convert({"name": "p", "type": type_, "baseURL": "https://a.example/v1"}, ProviderSpec)
    request = ADAPTERS[type_]().request(chat(temperature=0.5), "m", spec, None)
    body = json.loads(request.body)
    assert body["stream"] is True

    assert in_form(request, "stream") is request
    bare = {name: value for name, value in body.items() if name != "stream_options"}
    assert json.loads(in_form(request, "stream without options").body) == bare
    del bare["stream"]
    assert json.loads(in_form(request, "whole").body) == bare


def test_answer_form_next_lacks_the_refused_field() -> None:
    assert next_form("stream", "stream_options") == "stream without options"
    assert next_form("stream", "stream") == "whole"
    assert next_form("stream without options", "stream") == "whole"
    assert next_form("stream without options", "stream_options") == "whole"
    assert next_form("whole", "stream") is None
    assert next_form("stream", None) is None


def test_answer_forms_keep_a_successful_form_per_model_for_a_bounded_time() -> None:
    forms = AnswerForms()
    forms.served("a", "whole", 0.0)
    forms.served("b", "stream", 0.0)

    assert (forms.of("a", KEPT_S - 1), forms.of("b", 1.0), forms.of("c", 1.0)) == ("whole", "stream", "stream")
    forms.served("a", "whole", KEPT_S - 1)
    assert forms.of("a", KEPT_S) == "stream", "a use does not prolong it"


def test_answer_forms_bound_the_kept_models() -> None:
    forms = AnswerForms()
    for number in range(MODELS_MAX + 1):
        forms.served(f"m{number}", "whole", 0.0)

    assert (forms.of("m0", 1.0), forms.of("m1", 1.0), forms.of(f"m{MODELS_MAX}", 1.0)) == ("stream", "whole", "whole")


@virtual_time
async def test_failover_repeats_a_call_without_the_refused_field() -> None:
    stage = Stage((refusing("stream_options"), refusing("stream"), answer))
    await stage.task

    assert stage.events == [ACCEPTED, STARTED, HI, USAGE, STOP]
    assert [call.form for call in stage.providers[0].calls] == ["stream", "stream without options", "whole"]


@virtual_time
async def test_failover_neither_charges_nor_counts_a_refused_stream() -> None:
    stage = Stage((refusing("stream"), answer))
    await stage.task

    (row,) = stage.rows.closed
    assert (row.attempts, row.unanswered, row.ended) == (2, NOTHING_UNANSWERED, "stop")
    assert [spec.name for spec in stage.breaker.order(stage.specs, 0.0)] == ["a"]
    assert not stage.breaker.refusing_keys()


@virtual_time
async def test_failover_requests_a_whole_answer_once_only() -> None:
    stage = Stage((refusing("stream"),))
    await stage.task

    assert [call.form for call in stage.providers[0].calls] == ["stream", "whole"]
    assert failed_of(stage.events).param == "stream"


@virtual_time
async def test_failover_does_not_repeat_another_refusal() -> None:
    stage = Stage((refusing("messages"),))
    await stage.task

    assert len(stage.providers[0].calls) == 1


@virtual_time
async def test_failover_gives_a_whole_answer_more_time_than_a_first_token() -> None:
    calls: list[FakeCall] = []

    def slow(call: FakeCall) -> None:
        calls.append(call)
        stage.loop.call_later(100.0, answer, call)

    stage = Stage((refusing("stream"), slow), limits={"firstTokenTimeoutSeconds": 1.0, "requestTimeoutSeconds": 200.0})
    await stage.task

    assert stage.events[-1] == STOP
    late = Stage((refusing("stream"), wait), limits={"firstTokenTimeoutSeconds": 1.0, "requestTimeoutSeconds": 200.0})
    await late.task
    assert failed_of(late.events).code == "first_token_timeout"
