"""An edit of a route file is loaded once it is whole; a bad one is reported."""

import asyncio
from pathlib import Path

from unit.support.virtual_time import virtual_time

from penstock_local.routes import route_changes
from penstock_local.routes.route_files import LoadedRoute, load, read
from penstock_local.routes.watcher import POLL_S, RouteFileWatcher

ROUTE = """
apiVersion: penstock.dev/v1alpha1
kind: ModelRoute
metadata: {{name: {}}}
spec:
  models: [{{name: {}}}]
  providers: [{{name: p, type: Simulated, simulated: {{}}}}]
"""


class Watching:
    """A watcher of `files` with what it has reported: the routes' names, or the problem."""

    def __init__(self, *files: Path) -> None:
        self.watcher = RouteFileWatcher([str(file) for file in files])
        self.reports: list[list[str] | str] = []
        self._task = asyncio.create_task(self.watcher.run(self._on_routes, self.reports.append))

    def _on_routes(self, routes: list[LoadedRoute]) -> None:
        self.reports.append([route.key for route in routes])

    async def looks(self, number: int) -> None:
        await asyncio.sleep(number * POLL_S + POLL_S / 2)  # in virtual time
        assert not self._task.done()


@virtual_time
async def test_watcher_waits_until_a_file_has_been_written(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(ROUTE.format("a", "m"))
    watching = Watching(file)
    file.write_text("")
    await watching.looks(1)
    file.write_text(ROUTE.format("b", "m"))
    await watching.looks(1)
    assert watching.reports == []
    await watching.looks(2)
    assert watching.reports == [["default/b"]]
    await watching.looks(8)
    assert watching.reports == [["default/b"]]


@virtual_time
async def test_watcher_reports_a_bad_edit_once_and_the_correction(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(ROUTE.format("a", "m"))
    watching = Watching(file)
    file.unlink()
    await watching.looks(6)
    assert watching.reports == [f"{file}: No such file or directory"]
    file.write_text(ROUTE.format("a", "m"))
    await watching.looks(4)
    assert watching.reports[1:] == [["default/a"]]


@virtual_time
async def test_watcher_of_a_directory_notices_new_and_removed_files(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(ROUTE.format("a", "m"))
    watching = Watching(tmp_path)
    (tmp_path / "b.yaml").write_text(ROUTE.format("b", "n"))
    (tmp_path / "notes.txt").write_text("no route")
    await watching.looks(4)
    (tmp_path / "a.yaml").unlink()
    await watching.looks(4)
    assert watching.reports == [["default/a", "default/b"], ["default/b"]]


def test_watcher_watches_neither_the_bundled_routes_nor_standard_input() -> None:
    assert not RouteFileWatcher([]).watches
    assert not RouteFileWatcher(["-", "a.yaml"]).watches
    assert RouteFileWatcher(["a.yaml"]).watches


def test_route_changes_name_what_is_new_changed_and_gone(tmp_path: Path) -> None:
    def loaded(**models: str) -> list[LoadedRoute]:
        file = tmp_path / "routes.yaml"
        file.write_text("---".join(ROUTE.format(name, model) for name, model in models.items()))
        return load(read([str(file)]))

    before = loaded(a="m", b="n")
    assert route_changes.summary(before, loaded(b="o", c="p")).endswith(
        "new: default/c; changed: default/b; gone: default/a"
    )
    assert route_changes.summary(before, before).endswith("no route is different")
    assert route_changes.summary(before, before[::-1]).endswith("the order is another one")
