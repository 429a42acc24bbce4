"""Workers follow the plan: a changed command is another process, and the old one ends its streams first."""

import asyncio
import os
import sys

from penstock_local.process.child import Child, Exit
from penstock_local.process.commands import Command
from penstock_local.process.worker_processes import WorkerProcesses

# Ends 0.2 s after SIGTERM, like a worker with an open stream.
WORKER = """
import os, signal, time
signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.2), print("drained", flush=True), os._exit(0)))
print("up", flush=True)
while True: signal.pause()
"""


class Plan:
    def __init__(self) -> None:
        self.lines: asyncio.Queue[str] = asyncio.Queue()
        self.ends: list[Exit] = []
        self.workers = WorkerProcesses(self._make)

    def _make(self, command: Command) -> Child:
        def on_line(child: Child, line: str) -> None:
            self.lines.put_nowait(f"{child.name} {line}")

        def on_exit(_child: Child, end: Exit) -> bool:
            self.ends.append(end)
            return False

        return Child(command, on_line=on_line, on_exit=on_exit)

    def want(self, **keys: str) -> None:
        """A worker for each route, with the value of a key of its own."""
        self.workers.want(
            {
                route: Command(
                    name=route, argv=(sys.executable, "-c", WORKER), environ={**os.environ, "MINE_API_KEY": key}
                )
                for route, key in keys.items()
            }
        )

    async def reports(self, number: int) -> set[str]:
        return {await asyncio.wait_for(self.lines.get(), 20) for _ in range(number)}


async def test_worker_processes_replace_only_what_has_another_command() -> None:
    plan = Plan()
    plan.want(a="1", b="1")
    plan.workers.start()
    assert await plan.reports(2) == {"a up", "b up"}
    kept = plan.workers.children[1]

    plan.want(a="2", b="1", c="1")
    assert await plan.reports(3) == {"a up", "a drained", "c up"}
    assert plan.workers.key_of(kept) == "b"
    assert len(plan.workers) == 3

    plan.want(c="1")
    assert plan.workers.key_of(kept) is None
    assert await plan.reports(2) == {"a drained", "b drained"}
    await plan.workers.stop(10)
    assert await plan.reports(1) == {"c drained"}
    assert plan.ends == []
    assert plan.workers.children == [child for child in plan.workers.children if child.name == "c"]


async def test_worker_processes_that_are_not_started_are_replaced_without_a_process() -> None:
    plan = Plan()
    plan.want(a="1")
    plan.want(b="1")
    assert [child.name for child in plan.workers.children] == ["b"]
    await plan.workers.stop(1)
