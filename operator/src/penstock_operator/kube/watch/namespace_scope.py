"""Which namespaces are watched, and the routes of which of them are served.

Listed: one watch per kind and namespace, with a Role in each. Selected by labels, or all: one watch per kind for the
whole cluster, with a ClusterRole, because a watch per namespace would be five connections for each of them. A selector
is evaluated by the API server: its watch of namespaces reports one that stops matching as deleted.
"""

from collections.abc import Sequence
from typing import Final

from penstock_operator.kube.resources import NAMESPACES, WATCHED, Collection, Resource
from penstock_operator.kube.watch.cache import ClusterCache

ALL: Final = "*"
"""Instead of a namespace: all of them. Also how a cluster-wide watch is named in logs and metrics."""


class NamespaceScope:
    """`listed` are always served. With `selector` so is each namespace whose labels match it; with `*` every one."""

    def __init__(self, listed: Sequence[str], cache: ClusterCache, *, selector: str = "") -> None:
        self._listed = frozenset(listed)
        self._cache = cache
        self._selects_all = ALL in listed
        self.selector = "" if self._selects_all else selector
        self.cluster_wide = self._selects_all or selector != ""
        self.resources: tuple[Resource, ...] = (*WATCHED, NAMESPACES) if self.selector else WATCHED
        """The kinds that are watched."""
        self.watched: tuple[str, ...] = ("",) if self.cluster_wide else tuple(listed)
        """The namespaces of the watches; empty text for the whole cluster."""
        self.collections = tuple(
            Collection(resource, namespace) for namespace in self.watched for resource in self.resources
        )

    def watched_as(self, namespace: str) -> str:
        """The namespace of the watches that report a namespace's objects."""
        return "" if self.cluster_wide else namespace

    def selects(self, namespace: str) -> bool:
        """True if the routes of a namespace are to be served; False before the namespaces were listed."""
        if self._selects_all or namespace in self._listed:
            return True
        return self.selector != "" and self._cache.has_namespace(namespace)

    def selected(self) -> list[str]:
        """The namespaces that are selected now; `*` for all. Safe to call from any thread."""
        if self._selects_all:
            return [ALL]
        return sorted(self._listed | (self._cache.namespaces() if self.selector else set()))
