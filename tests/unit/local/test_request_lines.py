"""The screen shows in a sentence which provider answered, and why one refused."""

import json
from io import StringIO
from pathlib import Path

from penstock_local.terminal.log_line import ERROR, Readable, readable
from penstock_local.terminal.log_view import ANSWERS_PER_S, LogView

ANSWERED = {
    "event": "gateway.request_ended",
    "level": "info",
    "request_id": "req_1",
    "model": "gpt",
    "provider": "second",
    "attempt": 1,
    "code": None,
    "first_token_s": 0.1234,
    "duration_s": 1.5,
    "input_tokens": 3,
    "output_tokens": 40,
}
REFUSED = {
    "event": "worker.call_ended",
    "level": "warning",
    "request_id": "req_1",
    "provider": "first",
    "code": "provider_rejected",
    "status": 400,
    "provider_message": "no such parameter:\n 'temprature'",
}


def _line(event: dict[str, object], **changed: object) -> str:
    return json.dumps({**event, **changed}, separators=(",", ":"))


def test_request_line_names_the_provider_that_answered() -> None:
    shown = "gpt: provider second answered (1.50 s, first token 0.12 s, 3 + 40 tokens) req_1"
    assert readable(_line(ANSWERED)) == Readable(shown)
    assert readable(_line(ANSWERED), level=ERROR) is None


def test_request_line_of_a_failure_has_its_code() -> None:
    line = _line(ANSWERED, code="queue_full", provider=None, first_token_s=None, output_tokens=None, level="warning")
    assert readable(line) == Readable("gpt: queue_full, no provider (1.50 s) req_1")


def test_request_line_has_the_status_and_message_of_a_refusal() -> None:
    shown = "provider first: HTTP 400 provider_rejected, no such parameter: 'temprature' req_1"
    assert readable(_line(REFUSED)) == Readable(shown)
    without = _line(REFUSED, status=None, provider_message=None, code="provider_unreachable")
    assert readable(without) == Readable("provider first: provider_unreachable, no message req_1")


def test_log_view_shows_a_few_answers_a_second_and_counts_the_others(tmp_path: Path) -> None:
    now = [10.0]
    out = StringIO()
    view = LogView(out, tmp_path / "log", verbose=False, colour=False, now=lambda: now[0])
    for _ in range(20):
        view.log("gateway", _line(ANSWERED))
    assert len(out.getvalue().splitlines()) == ANSWERS_PER_S
    now[0] = 11.0
    view.log("gateway", _line(ANSWERED))
    assert out.getvalue().splitlines()[ANSWERS_PER_S:][0] == f"… and {20 - ANSWERS_PER_S} more requests, see the log"
    view.close()
    assert (tmp_path / "log").read_text().count("req_1") == 21
