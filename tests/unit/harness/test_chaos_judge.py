"""The report of `make chaos` finds each kind of fault, and none in a run without one."""

import dataclasses

import pytest
from harness.chaos.client import End, Outcome, judge_stream
from harness.chaos.injector import InjectedFault
from harness.chaos.plan import Plan
from harness.chaos.provider import PROMPT_TOKENS
from harness.chaos.report import Published, Report
from msgspec.structs import replace

from penstock_contract.usage.record import GATEWAY_LOST, Tokens, UsageRow

ROW = UsageRow(
    id="req_7",
    key="anonymous",
    route="default.main",
    model="main",
    gateway="g",
    started_at=1.0,
    tokens=Tokens(PROMPT_TOKENS, 0, 3),
    ended="stop",
)
OPEN = replace(ROW, ended=None)
WHOLE = Outcome(7, 3, "complete", 200, request_id="req_7", received=(0, 3))


def _violations(outcome: Outcome, *rows: UsageRow, later: UsageRow = ROW, written: int = 3) -> set[str]:
    report = Report(Plan(), outcomes=[outcome], rows=list(rows), rows_later=[later], written={(7, 0): written})
    assert report.good == (not any(report.violations.values()))
    return {name for name, count in report.violations.items() if count}


def test_chaos_judge_finds_nothing_in_a_whole_answer_with_its_record() -> None:
    assert _violations(WHOLE, ROW) == set()


def test_chaos_judge_finds_missing_duplicate_open_and_reopened_records() -> None:
    assert _violations(WHOLE) == {"rows missing"}
    assert _violations(WHOLE, ROW, ROW) == {"rows double"}
    assert _violations(WHOLE, OPEN, later=OPEN) == {"rows left open"}
    assert _violations(WHOLE, ROW, later=OPEN) == {"rows opened again"}


URL = "http://127.0.0.1:1"
REFUSED = Outcome(7, 3, "refused", url=URL, began_at=100.0)
WORKER = InjectedFault("kill", "worker", "worker-main-1", 100.2, killed_at=100.2)


def _gateway_killed(at: float, url: str = URL) -> InjectedFault:
    return InjectedFault("kill", "gateway", url, at, killed_at=at)


def _broker_killed(at: float, healed_at: float) -> InjectedFault:
    return InjectedFault("kill", "broker", "nats", at, killed_at=at, healed_at=healed_at)


def _missing(outcome: Outcome, *faults: InjectedFault, calls: int = 0) -> int:
    written = {(7, call): 0 for call in range(calls)}
    published = {"req_7": Published(7, 100.0)}
    report = Report(Plan(), outcomes=[outcome], injected=list(faults), written=written, published=published)
    return report.violations["rows missing"]


def test_chaos_judge_excepts_a_record_of_a_request_that_no_worker_took_before_its_gateway_was_killed() -> None:
    assert _missing(REFUSED, _gateway_killed(100.4)) == 0
    assert _missing(REFUSED) == 1
    assert _missing(REFUSED, _gateway_killed(99.97)) == 0
    assert _missing(REFUSED, _gateway_killed(102.0)) == 1
    assert _missing(REFUSED, _gateway_killed(99.5)) == 1, "the gateway that was there before"
    assert _missing(REFUSED, _gateway_killed(100.4, "http://127.0.0.1:2")) == 1
    assert _missing(REFUSED, _gateway_killed(100.4), calls=1) == 1
    assert _missing(dataclasses.replace(REFUSED, status=200), _gateway_killed(100.4)) == 1


def test_chaos_judge_excepts_a_record_of_a_request_that_was_in_no_process_any_more() -> None:
    broker, gateway = _broker_killed(100.3, 101.0), _gateway_killed(101.5)
    assert _missing(REFUSED, broker, gateway, WORKER, calls=1) == 0
    assert _missing(REFUSED, broker, gateway) == 0
    assert _missing(REFUSED, broker, gateway, calls=1) == 1
    assert _missing(REFUSED, gateway, WORKER, calls=1) == 1
    assert _missing(REFUSED, broker, WORKER, calls=1) == 1
    assert _missing(REFUSED, broker, _gateway_killed(104.0), WORKER, calls=1) == 1
    assert _missing(REFUSED, _broker_killed(95.0, 96.0), gateway, WORKER, calls=1) == 1


def test_chaos_judge_excepts_a_count_that_was_in_no_process_any_more() -> None:
    whole = dataclasses.replace(WHOLE, url=URL, began_at=100.0)
    row = replace(ROW, tokens=Tokens(16, 0, 1, estimated=True), ended=GATEWAY_LOST)
    faults = [_broker_killed(100.3, 101.0), _gateway_killed(101.5), WORKER]
    for ended, injected, count in (
        (GATEWAY_LOST, faults, 0),
        (GATEWAY_LOST, faults[:2], 1),
        (GATEWAY_LOST, faults[1:], 1),
        ("worker_lost", faults, 1),
    ):
        report = Report(Plan(), outcomes=[whole], rows=[replace(row, ended=ended)], injected=injected)
        report.written = {(7, 0): 3}
        assert len(report.miscounted) == count


def test_chaos_judge_shows_the_faults_near_a_missing_record() -> None:
    report = Report(Plan(), outcomes=[REFUSED], injected=[WORKER], published={"req_7": Published(7, 100.1)})
    assert report.details() == [f"! req_7 at {URL}: refused, provider calls 0; kill worker-main-1 +0.2 +0.2"]


def test_chaos_judge_finds_a_token_that_the_provider_did_not_write() -> None:
    assert _violations(WHOLE, ROW, written=2) == {"tokens that the provider did not write"}


@pytest.mark.parametrize(
    "tokens", [Tokens(PROMPT_TOKENS, 0, 2), Tokens(PROMPT_TOKENS, 0, 3, estimated=True), Tokens(14, 0, 3)]
)
def test_chaos_judge_finds_a_count_other_than_the_providers_in_the_record_of_a_whole_answer(tokens: Tokens) -> None:
    assert _violations(WHOLE, replace(ROW, tokens=tokens)) == {"whole answers with wrong tokens in their row"}


def test_chaos_judge_finds_a_404_of_an_existing_model() -> None:
    assert _violations(Outcome(7, 3, "http error", 404, request_id="req_7"), ROW) == {"404 for a model that exists"}


def _chunk(text: str) -> str:
    return f'data: {{"choices":[{{"delta":{{"content":"{text}"}}}}]}}\n\n'


TEXT = "".join(_chunk(f"7.0.{index} ") for index in range(3))
FINISH = 'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
ERROR = 'data: {"error":{"code":"worker_lost"}}\n\n'
DONE = "data: [DONE]\n\n"


@pytest.mark.parametrize(
    ("body", "end"),
    [
        (TEXT + FINISH + DONE, "complete"),
        (": ping\n\n" + TEXT + FINISH + DONE, "complete"),
        (_chunk("7.0.0 ") + ERROR, "error event"),
        (TEXT, "silent truncation"),
        ("", "silent truncation"),
        (TEXT + FINISH, "silent truncation"),
        (TEXT + DONE, "silent truncation"),
        (TEXT + FINISH + FINISH + DONE, "double end"),
        (TEXT + FINISH + DONE + DONE, "double end"),
        (TEXT + FINISH + DONE + _chunk("7.0.3 "), "double end"),
        (TEXT + FINISH + ERROR, "double end"),
        (TEXT + ERROR + ERROR, "double end"),
        (TEXT + ERROR + _chunk("7.0.3 "), "double end"),
        (_chunk("7.0.0 ") + _chunk("7.0.2 ") + FINISH + DONE, "wrong token"),
        (_chunk("7.0.0 ") + _chunk("8.0.1 ") + _chunk("7.0.2 ") + FINISH + DONE, "wrong token"),
        (_chunk("7.0.0 ") + _chunk("7.1.1 ") + _chunk("7.0.2 ") + FINISH + DONE, "wrong token"),
        (_chunk("7.0.1 ") + ERROR, "wrong token"),
        (_chunk("7.0.0 ") + FINISH + DONE, "wrong token"),
    ],
)
def test_chaos_judge_reads_the_events_of_a_body_that_ended_regularly(body: str, end: End) -> None:
    outcome = Outcome(7, 3, "hang")
    judge_stream(outcome, body, simple=False)
    assert outcome.end == end
