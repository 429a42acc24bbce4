"""penstock chat: in a pipe, in a terminal, and when something is wrong."""

import contextlib
import io
import os
import pty
import select
import subprocess
import sys
import threading
from dataclasses import dataclass

import pytest
from harness.scripted_gateway import (
    DONE,
    ERROR,
    PATIENCE_S,
    Call,
    Gateway,
    Script,
    refuse,
    stall,
    stream,
    text,
)

from penstock_client.cli import chat


@dataclass
class Said:
    code: int
    out: str
    err: str


def penstock_chat(gateway: Gateway, *arguments: str, stdin: str = "", **environ: str) -> Said:
    out, err = io.StringIO(), io.StringIO()
    terminal = chat.Terminal(io.StringIO(stdin), out, err)
    code = chat.run(arguments, {"PENSTOCK_URL": gateway.url, **environ}, terminal, sleep=lambda _: None)
    return Said(code, out.getvalue(), err.getvalue())


def test_chat_command_answers_a_prompt() -> None:
    """The arguments are one prompt; the request has the key and the model."""
    with Gateway(stream(text("Hel"), text("lo"), DONE)) as gateway:
        logged = penstock_chat(gateway, "--model", "m", "say", "hello", PENSTOCK_API_KEY="k")

    assert logged == Said(0, "Hello\n", "")
    assert gateway.calls[0].body == {"messages": [{"role": "user", "content": "say hello"}], "model": "m"}
    assert gateway.calls[0].headers["authorization"] == "Bearer k"


def test_chat_command_adds_standard_input_to_the_prompt() -> None:
    """`cat file | penstock chat "summarize this"`: the question first, then the file."""
    with Gateway(stream(text("short"), DONE)) as gateway:
        assert penstock_chat(gateway, "summarize this", stdin="a file\n").code == 0

    assert gateway.calls[0].body["messages"][0]["content"] == "summarize this\n\na file\n"


@pytest.mark.parametrize("end", ["/v1", "/v1/", "/"])
def test_chat_command_accepts_the_url_form_of_openai_sdks(end: str) -> None:
    with Gateway(stream(text("Hello"), DONE)) as gateway:
        assert penstock_chat(gateway, "--url", gateway.url + end, "hello").code == 0

    assert gateway.calls[0].path == "/api/chat"


def test_chat_command_reports_a_full_output_in_one_line() -> None:
    command = [sys.executable, "-c", "from penstock_client.cli.chat import main; main()", "hello"]
    with Gateway(stream(text("Hello"), DONE)) as gateway, open("/dev/full", "w") as full:  # noqa: PTH123
        logged = subprocess.run(
            [*command, "--url", gateway.url],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )

    assert logged.returncode == 1
    assert logged.stderr == "penstock chat: cannot read the prompt or write the answer: No space left on device\n"


def test_chat_command_answers_standard_input() -> None:
    """Without a prompt, standard input is one."""
    with Gateway(stream(text("Hello\n"), DONE)) as gateway:
        assert penstock_chat(gateway, stdin="say\nhello") == Said(0, "Hello\n", "")

    assert gateway.calls[0].body["messages"][0]["content"] == "say\nhello"


@pytest.mark.parametrize(
    ("script", "out", "err"),
    [
        (refuse(404, "model_not_found"), "", "the worker is gone (model_not_found, HTTP 404, request req_0)"),
        (
            refuse(401, "unauthenticated"),
            "",
            "the worker is gone (unauthenticated, HTTP 401, request req_0); is PENSTOCK_API_KEY set?",
        ),
        (
            stream(text("Hel"), b"event: error\ndata: " + ERROR + b"\n\n"),
            "Hel\n",
            "the worker is gone (worker_lost, HTTP 200, request req_1)",
        ),
        (
            stream(text("Hel")),
            "Hel\n",
            (
                "the stream ended before its last event (stream_truncated, HTTP 200, request req_1);"
                " read it again with --resume req_1"
            ),
        ),
    ],
    ids=["refused", "no key", "error midway", "truncated"],
)
def test_chat_command_reports_an_error_in_one_line(script: Script, out: str, err: str) -> None:
    """The received text is printed, the reason goes to standard error, and the exit code is not 0."""
    with Gateway(script) as gateway:
        assert penstock_chat(gateway, "hello") == Said(1, out, f"penstock chat: {err}\n")


def test_chat_command_explains_how_to_start_a_gateway() -> None:
    """Nothing listens at the address: no stack trace, but what to do."""
    with Gateway() as gateway:
        pass
    logged = penstock_chat(gateway, "hello")

    assert (logged.code, logged.out) == (3, "")
    assert logged.err.startswith(f"penstock chat: no answer from {gateway.url}: ")
    assert logged.err.endswith("; start a gateway with `make dev`, or name one with --url\n")


@pytest.mark.parametrize(
    "arguments", [["--url", "localhost:8080", "hi"], ["--url", "http://host:port", "hi"], ["--oops"], [" "]]
)
def test_chat_command_explains_wrong_arguments(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """As argparse does: usage, one line, exit code 2."""
    with Gateway() as gateway, pytest.raises(SystemExit) as caught:
        penstock_chat(gateway, *arguments)

    assert caught.value.code == 2
    assert "usage: penstock chat" in capsys.readouterr().err


class TerminalWindow:
    """`penstock chat` in a pseudo-terminal, which delivers Ctrl-C and Ctrl-D as a real one does."""

    def __init__(self, gateway: Gateway) -> None:
        self._screen, side = pty.openpty()
        # The child becomes the terminal's foreground process before it starts, to receive Ctrl-C. A process in the
        # background of a shell ignores it, and so would all children.
        code = (
            "import os, signal; os.login_tty(0); signal.signal(signal.SIGINT, signal.default_int_handler);"
            "from penstock_client.cli.chat import main; main()"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, "--url", gateway.url],
            stdin=side,
            stdout=side,
            stderr=side,
            env={**os.environ, "TERM": "dumb", "INPUTRC": os.devnull},
        )
        os.close(side)
        self.shown = ""

    def type(self, keys: str) -> None:
        os.write(self._screen, keys.encode())

    def wait_for(self, expected: str) -> None:
        """Read on until `expected` has been shown since the last call."""
        while expected not in self.shown:
            ready, _, _ = select.select([self._screen], [], [], PATIENCE_S)
            assert ready, f"{expected!r} did not appear after {self.shown!r}"
            self.shown += os.read(self._screen, 4096).decode().replace("\r\n", "\n")
        self.shown = self.shown.partition(expected)[2]

    def close(self) -> int:
        try:
            return self.process.wait(PATIENCE_S)
        finally:
            self.process.kill()
            self.process.wait()
            os.close(self._screen)


def test_chat_command_holds_a_conversation() -> None:
    """It sends the history; Ctrl-C ends an answer and the provider's call and keeps the printed part; Ctrl-D exits."""
    with Gateway(stall(text("Once upon")), refuse(400), stream(text("\x1b[31ma time"), DONE)) as gateway:
        window = TerminalWindow(gateway)
        try:
            window.wait_for("> ")
            window.type("a story\n")
            window.wait_for("Once upon")
            window.type("\x03")
            window.wait_for("> ")
            assert gateway.calls[0].left.wait(PATIENCE_S)

            window.type("go on\n")
            window.wait_for("penstock chat: the worker is gone (queue_full, HTTP 400, request req_0)\n")
            window.wait_for("> ")

            window.type("please\n")
            window.wait_for("\n[31ma time\n> ")  # the escape itself never reaches the terminal
            window.type("\x04")
        finally:
            code = window.close()

    assert code == 0
    assert [(message["role"], message["content"]) for message in gateway.calls[2].body["messages"]] == [
        ("user", "a story"),
        ("assistant", "Once upon"),
        ("user", "please"),
    ]


def test_chat_command_exits_without_an_error_on_a_closed_pipe() -> None:
    """`penstock chat … | head -1`: no stack trace, the stream is closed, the exit code is the shell's for SIGPIPE."""
    opened = threading.Event()

    def endless(call: Call) -> None:
        call.begin()
        call.chunk(text("first\n"))
        opened.wait(PATIENCE_S)
        with contextlib.suppress(OSError):
            for _ in range(3):
                call.chunk(text("more\n"))
        call.wait_until_left()

    command = [sys.executable, "-c", "from penstock_client.cli.chat import main; main()", "hello"]
    with Gateway(endless) as gateway:
        process = subprocess.Popen(
            [*command, "--url", gateway.url], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"first\n"
        process.stdout.close()
        opened.set()
        assert process.stderr.read() == b""
        process.stderr.close()
        assert process.wait(PATIENCE_S) == 141
        assert gateway.calls[0].left.wait(PATIENCE_S)
