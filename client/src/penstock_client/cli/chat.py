"""`penstock chat`: talk to a running gateway from the terminal, over the same client that programs use.

A prompt on the command line or through a pipe is answered once; a terminal gets a conversation.
"""

import argparse
import contextlib
import io
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TextIO

import httpx

from penstock_client.chunk_iterators import Chunks
from penstock_client.client import Client
from penstock_client.errors import GatewayError, GatewayUnreachable, StreamTruncated
from penstock_client.http_messages import DEFAULT_URL
from penstock_client.resume import is_stream_id
from penstock_contract.endpoint_responses import ChatChunk
from penstock_contract.endpoints import CHAT
from penstock_contract.request.operations import ChatMessage
from penstock_runtime.parsers import with_examples

ANSWERED = 0
FAILED = 1
USAGE = 2  # argparse's own
UNREACHABLE = 3
INTERRUPTED = 130  # 128 + SIGINT, as shells count
BROKEN_PIPE = 141  # 128 + SIGPIPE

_BIDI = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
"""They change the order in which text is shown: what is read is then not what was written."""
_CONTROL = {code: None for code in (*range(32), *range(127, 160), *_BIDI) if chr(code) not in "\n\t"}


class Terminal:
    """Reads and writes the conversation; in a real one a model's text may not move the cursor or set the title."""

    def __init__(self, stdin: TextIO, stdout: TextIO, stderr: TextIO) -> None:
        self.stdin = stdin
        self._stdout = stdout
        self._stderr = stderr
        self._at_line_start = True

    def ask(self) -> str | None:
        """One line from the user, None at Ctrl-D."""
        while True:
            try:
                return input("> ")
            except EOFError:
                self.write("\n")
                return None
            except KeyboardInterrupt:  # drops the line, as shells do
                self.write("\n")

    def write(self, text: str) -> None:
        if self._stdout.isatty():
            text = text.translate(_CONTROL)
        if text:
            self._stdout.write(text)
            self._stdout.flush()
            self._at_line_start = text.endswith("\n")

    def end_line(self) -> None:
        if not self._at_line_start:
            self.write("\n")

    def complain(self, message: str) -> None:
        line = " ".join(message.split()).translate(_CONTROL)
        self._stderr.write(f"penstock chat: {line}\n")
        self._stderr.flush()


def answer(stream: AbstractContextManager[Chunks[ChatChunk]], terminal: Terminal) -> tuple[str, int]:
    """Write the answer as it is received; returns its text and an exit code."""
    texts: list[str] = []
    try:
        with stream as chunks:
            for chunk in chunks:
                texts.append(chunk.text)
                terminal.write(chunk.text)
    except KeyboardInterrupt:  # leaving the context has stopped the stream, and with it the provider's call
        code, complaint = INTERRUPTED, ""
    except StreamTruncated as error:
        code, complaint = FAILED, f"{error}; read it again with --resume {error.request_id}"
    except GatewayUnreachable as error:
        code, complaint = UNREACHABLE, f"{error.message}; start a gateway with `make dev`, or name one with --url"
    except GatewayError as error:
        hint = "; is PENSTOCK_API_KEY set?" if error.status == 401 else ""
        code, complaint = FAILED, f"{error}{hint}"
    else:
        code, complaint = ANSWERED, ""
    terminal.end_line()
    if complaint:
        terminal.complain(complaint)
    return "".join(texts), code


def converse(client: Client, model: str | None, terminal: Terminal) -> int:
    """Read messages and print answers until Ctrl-D; of a stopped answer, the conversation keeps what was printed."""
    history: list[ChatMessage] = []
    while (line := terminal.ask()) is not None:
        if not line.strip():
            continue
        messages = [*history, ChatMessage("user", _valid(line))]
        text, _ = answer(client.chat(messages, model), terminal)
        if text:
            history = [*messages, ChatMessage("assistant", text)]
    return ANSWERED


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="penstock chat", description="Send a prompt to a Penstock gateway, or hold a conversation."
    )
    made.add_argument(
        "prompt", nargs="*", metavar="PROMPT", help="a pipe's text is added to it; without either, hold a conversation"
    )
    made.add_argument(
        "--resume", metavar="ID", type=_stream_id, help="read the answer of this request id again, from its start"
    )
    made.add_argument("--model", help="left out: the gateway's default model")
    made.add_argument("--url", type=_url, help=f"of the gateway; PENSTOCK_URL, else {DEFAULT_URL}")
    made.epilog = "PENSTOCK_API_KEY, if set, is sent as the bearer token."
    return with_examples(
        made,
        'penstock chat "Why is the sky blue?"',
        'git diff | penstock chat "Write a commit message." --model gpt-5.4-mini',
        "penstock chat --resume req_0123456789abcdef01234567",
    )


def run(
    arguments: Sequence[str],
    environ: Mapping[str, str],
    terminal: Terminal,
    *,
    sleep: Callable[[float], object] = time.sleep,
) -> int:
    """The whole command but for the process: returns the exit code, raises `SystemExit` for a wrong usage."""
    commands = parser()
    options = commands.parse_args(arguments)
    if options.url is None:
        try:
            options.url = _url(environ.get("PENSTOCK_URL", DEFAULT_URL))
        except argparse.ArgumentTypeError as error:
            commands.error(f"PENSTOCK_URL: {error}")
    api_key = environ.get("PENSTOCK_API_KEY", "").strip() or None
    with Client(options.url, api_key=api_key, sleep=sleep) as client:
        if options.resume is not None:
            return answer(client.resume(options.resume, CHAT), terminal)[1]
        if not options.prompt and terminal.stdin.isatty():
            terminal.write(f"Talking to {options.url}. Ctrl-C stops an answer, Ctrl-D ends.\n")
            return converse(client, options.model, terminal)
        piped = "" if terminal.stdin.isatty() else terminal.stdin.read()
        # A question about a file: `cat file | penstock chat "summarize this"`.
        prompt = "\n\n".join(part for part in (" ".join(options.prompt), piped) if part.strip())
        if not prompt.strip():
            commands.error("nothing to ask: give a PROMPT, or pipe one in")
        return answer(client.chat([ChatMessage("user", _valid(prompt))], options.model), terminal)[1]


def main() -> None:
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    if sys.stdin.isatty():
        with contextlib.suppress(ImportError):  # `input` edits lines and remembers them once it is loaded
            __import__("readline")
    terminal = Terminal(sys.stdin, sys.stdout, sys.stderr)
    try:
        code = run(sys.argv[1:], os.environ, terminal)
    except BrokenPipeError:  # `penstock chat … | head` has seen enough; nothing may be flushed into it at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = BROKEN_PIPE
    except OSError as error:  # a full disk behind `>`; the network's errors are GatewayErrors
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        terminal.complain(f"cannot read the prompt or write the answer: {error.strerror or error}")
        code = FAILED
    except KeyboardInterrupt:
        code = INTERRUPTED
    sys.exit(code)


def _valid(text: str) -> str:
    """Text that JSON can carry: bytes that were not UTF-8 came in as lone surrogates."""
    return text.encode("utf-8", "replace").decode()


def _stream_id(text: str) -> str:
    if not is_stream_id(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no request id: req_ and 24 hexadecimal digits")
    return text


def _url(text: str) -> str:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from error
    if url.scheme not in {"http", "https"} or not url.host:
        raise argparse.ArgumentTypeError(f"{text!r} is not like {DEFAULT_URL}")
    # OpenAI's SDKs need it with /v1, and users copy it from there.
    return text.rstrip("/").removesuffix("/v1")
