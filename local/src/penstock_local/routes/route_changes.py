"""The changes of an edit of the route files, in one line. Pure."""

from collections.abc import Sequence

from penstock_local.routes.route_files import LoadedRoute
from penstock_local.terminal.printable import printable


def summary(before: Sequence[LoadedRoute], after: Sequence[LoadedRoute]) -> str:
    """Which routes are new, changed and gone; the order of the files decides which route owns a name, so it counts."""
    old = {route.key: route.route for route in before}
    new = {route.key: route.route for route in after}
    parts = [
        ("new", [key for key in new if key not in old]),
        ("changed", [key for key in new if key in old and new[key] != old[key]]),
        ("gone", [key for key in old if key not in new]),
    ]
    words = [f"{word}: {', '.join(map(printable, keys))}" for word, keys in parts if keys]
    if not words:
        words = ["the order is another one" if list(old) != list(new) else "no route is different"]
    return f"the route files were changed; {'; '.join(words)}"
