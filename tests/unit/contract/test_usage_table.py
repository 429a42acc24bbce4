"""`penstock usage --csv`: no formula reaches a spreadsheet, and no control sequence a terminal."""

import pytest

from penstock_contract.usage.table import csv_text


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
@pytest.mark.parametrize("before", ["", " ", "\t", "\r", "\n", "\u00a0", "\u3000", "\ufeff", "\u200b", " \t "])
def test_usage_csv_quotes_a_text_that_a_spreadsheet_reads_as_a_formula(before: str, sign: str) -> None:
    assert csv_text([(f"{before}{sign}1+1",)]).strip('"').startswith("'")


@pytest.mark.parametrize("name", ["gpt-4", "a=b", "@", "ok", "", "0.5", "meta/llama@3"])
def test_usage_csv_keeps_names_and_numbers(name: str) -> None:
    expected = f"'{name}" if name == "@" else name
    assert csv_text([(name, "x")]) == f"{expected},x\r\n"


@pytest.mark.parametrize("name", ["\x1b]0;title\x07", "a\x1b[2J", "a\u202eb", "a\u200bb", "a\x9bb"])
def test_usage_csv_escapes_control_sequences_on_a_terminal(name: str) -> None:
    assert name in csv_text([(name,)]), "a file gets the names as they are"
    shown = csv_text([(name,)], printable=True)
    assert shown.removesuffix("\r\n").isprintable()
    assert "\\x" in shown or "\\u" in shown
