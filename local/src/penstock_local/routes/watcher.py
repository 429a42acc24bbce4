"""Notices changes of the route files that `penstock dev` was given, and loads them again.

Files are looked at four times a second: a few calls of stat(2). Notifications of the kernel were rejected: editors
replace a file instead of writing it, network and container filesystems send none, and a laptop's limit of watches is
often used up by its editor.
"""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NoReturn, TypeAlias

from penstock_local.routes import route_files
from penstock_local.routes.route_files import InvalidRoutes, LoadedRoute

POLL_S: Final = 0.25
Signature: TypeAlias = tuple[tuple[str, int, int, int], ...]
"""Name, modification time, size and inode of each file; zeros for one that is missing."""


def signature(paths: Sequence[str]) -> Signature:
    """Equal as long as nothing was written; standard input is read once and never changes."""
    return tuple(_of(name) for path in paths if path != "-" for name in _names(path))


class RouteFileWatcher:
    """`run` calls `on_routes` with the routes of each good version, and `on_error` with what is wrong in a bad one."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = paths
        self._served = signature(paths)

    @property
    def watches(self) -> bool:
        """False if no file can change: the bundled routes, or standard input among the files, which is gone."""
        return bool(self._paths) and "-" not in self._paths

    async def run(self, on_routes: Callable[[list[LoadedRoute]], None], on_error: Callable[[str], None]) -> NoReturn:
        while True:
            await self._changed()
            try:
                routes = route_files.load(route_files.read(self._paths))
            except InvalidRoutes as error:
                on_error(str(error))
            else:
                on_routes(routes)

    async def _changed(self) -> None:
        """Return when the files differ from those that were loaded and one more look has found the same."""
        previous = self._served
        while True:
            await asyncio.sleep(POLL_S)
            found = signature(self._paths)
            # An editor may be in the middle of writing: a file that is just empty is no error.
            if found == previous != self._served:
                self._served = found
                return
            previous = found


def _names(path: str) -> list[str]:
    try:
        return route_files.files_of(path)
    except InvalidRoutes:
        return [path]


def _of(name: str) -> tuple[str, int, int, int]:
    try:
        status = Path(name).stat()
    except OSError:
        return (name, 0, 0, 0)
    return (name, status.st_mtime_ns, status.st_size, status.st_ino)
