"""Log lines are written by a thread, in their order, and never block the process."""

import json
import subprocess
import sys
import threading

from penstock_runtime.telemetry.batched_stream import LINES_MAX, BatchedStream


class Reader:
    """A stream that takes what is written; while `stalled`, a write does not return."""

    def __init__(self) -> None:
        self.writes: list[str] = []
        self.written = threading.Event()
        self.open = threading.Event()
        self.open.set()

    def write(self, text: str) -> int:
        self.written.set()
        assert self.open.wait(10)
        self.writes.append(text)
        return len(text)

    def flush(self) -> None:
        pass


def test_batched_stream_writes_lines_in_order_and_several_at_once() -> None:
    reader = Reader()
    stream = BatchedStream(reader)  # type: ignore[arg-type]
    lines = [f"{number}\n" for number in range(1000)]
    for line in lines:
        stream.write(line)
    stream.close()

    assert "".join(reader.writes) == "".join(lines)
    assert len(reader.writes) < 100


def test_batched_stream_does_not_wait_for_a_reader_that_stalls_and_counts_what_it_drops() -> None:
    reader = Reader()
    reader.open.clear()
    stream = BatchedStream(reader)  # type: ignore[arg-type]
    stream.write("first\n")
    assert reader.written.wait(10)
    for number in range(LINES_MAX + 7):
        stream.write(f"{number}\n")
    reader.open.set()
    stream.close()

    *lines, last = "".join(reader.writes).splitlines()
    assert lines == ["first", *(str(number) for number in range(LINES_MAX))]
    assert json.loads(last)["event"] == "log.lines_dropped"
    assert json.loads(last)["lines"] == 7


def test_batched_stream_ends_without_a_reader() -> None:
    class Closed(Reader):
        def write(self, text: str) -> int:
            super().write(text)
            raise BrokenPipeError

    reader = Closed()
    stream = BatchedStream(reader)  # type: ignore[arg-type]
    stream.write("a line\n")
    stream.close()
    assert reader.writes == ["a line\n"]


def test_batched_stream_writes_the_rest_at_the_end_of_the_process() -> None:
    program = (
        "from penstock_runtime.telemetry import logs; import structlog; logs.configure('s', batched=True)\n"
        "for number in range(3): structlog.get_logger().info('a.line', number=number)\n"
        "raise SystemExit(3)"
    )
    ended = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)

    assert ended.returncode == 3
    assert [json.loads(line)["number"] for line in ended.stderr.splitlines()] == [0, 1, 2]


def test_batched_stream_writes_the_line_of_an_error_that_ends_the_process() -> None:
    program = (
        "from penstock_runtime.telemetry import logs; import structlog; logs.configure('s', batched=True)\n"
        "structlog.get_logger().error('a.fault')\n"
        "raise ValueError('the end')"
    )
    ended = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)

    assert "a.fault" in ended.stderr
    assert "ValueError: the end" in ended.stderr
