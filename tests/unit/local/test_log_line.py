"""The terminal shows the important lines of a child's log in a readable form."""

import pytest

from penstock_local.terminal.log_line import ERROR, INFO, Readable, readable

WARNING_EVENT = '{"event":"broker.error","level":"warning","timestamp":"t","service":"s","error":"E","tries":3}'


def test_log_line_of_a_warning_has_its_fields() -> None:
    assert readable(WARNING_EVENT) == Readable("warning: broker.error error=E tries=3", "broker")


def test_log_line_joins_a_field_of_several_lines() -> None:
    line = '{"event":"broker.error","level":"warning","detail":"lost:\\n  reset"}'
    assert readable(line) == Readable("warning: broker.error detail=lost: reset", "broker")


def test_log_line_keeps_the_lines_of_a_traceback() -> None:
    line = '{"event":"x","level":"error","exception":"Traceback\\n  File\\nE: boom"}'
    assert readable(line) == Readable("error: x\nTraceback\n  File\nE: boom")


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('{"event":"worker.serving","level":"info"}', None),
        ("[1] 2026/11/22 13:00:00.123456 [INF] LlamaServer is ready", None),
        ("[1] 2026/11/22 13:00:00.123456 [INF]", None),
        ("[1] 2026/11/22 13:00:00.123456 [ERR] disk full", "disk full"),
        ("", None),
        ("Traceback (most recent call last):", "Traceback (most recent call last):"),
        ("{not json", "{not json"),
    ],
)
def test_log_line_is_shown_for_warnings_and_listed_events_only(line: str, shown: str | None) -> None:
    assert readable(line) == (None if shown is None else Readable(shown))


def test_log_line_level_is_the_callers() -> None:
    assert readable('{"event":"worker.serving","level":"info"}', level=INFO) == Readable("info: worker.serving")
    assert readable(WARNING_EVENT, level=ERROR) is None
