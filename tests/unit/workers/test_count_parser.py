"""A provider's count of the tokens of a request."""

import pytest
from unit.support.parsing import parse

from penstock_contract.stream.events import AnswerFields, Finished
from penstock_worker.providers.anthropic.count_parser import CountParser


def test_count_parser_reads_the_number() -> None:
    assert parse(CountParser(), b'{\n "input_', b'tokens": 12, "novel": 1}\n') == (
        [AnswerFields("answer", b'{"input_tokens":12}'), Finished("stop")],
        None,
    )


@pytest.mark.parametrize("body", [b"", b"{}", b"[1]", b'{"input_tokens":"many"}', b"<html>", b"x" * 70_000])
def test_count_parser_refuses_what_is_no_count(body: bytes) -> None:
    assert parse(CountParser(), body)[1] == "provider_stream_broken"
