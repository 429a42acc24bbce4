"""An OTLP collector that drops what it receives."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from paced import Served


class Collector(Served):
    def __init__(self, binary: Path, work: Path) -> None:
        super().__init__(binary, "collector", work)
        self.url = f"http://127.0.0.1:{self.port}"

    def check(self) -> None:
        """Spans have arrived; else the exporting stack was measured without its exports."""
        if not self.request("GET", "/received")["traces"]:
            raise RuntimeError("no span was exported")


@contextlib.contextmanager
def collecting(binary: Path) -> Iterator[Collector]:
    with tempfile.TemporaryDirectory(prefix="penstock-collector-") as work:
        collector = Collector(binary, Path(work))
        try:
            yield collector
        finally:
            collector.tree.stop()
