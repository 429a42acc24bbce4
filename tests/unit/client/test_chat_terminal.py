"""`penstock chat` writes text to a terminal, and no control sequence."""

import io

import pytest

from penstock_client.cli.chat import Terminal


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("char", ["\x1b", "\x07", "\x9b", "\u202e", "\u2066", "\u200f", "\u061c"])
def test_chat_terminal_strips_controls_on_a_terminal_and_keeps_them_in_a_pipe(char: str) -> None:
    for stdout, expected in ((Tty(), "ab\n"), (io.StringIO(), f"a{char}b\n")):
        Terminal(io.StringIO(), stdout, io.StringIO()).write(f"a{char}b\n")
        assert stdout.getvalue() == expected
