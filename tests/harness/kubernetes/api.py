"""The API server over HTTP, as a test and the pocket kubelet use it: objects are plain dicts, and a wait is a watch.

    route = await api.get(ROUTES.at("default", "main"))
    pod = await api.until(PODS.at("default", "main-worker-0"), is_ready, "the pod is ready")

No client library on purpose: the operator has one, and its requests are checked by a different one.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple, Self, TypeVar

import httpx
import msgspec
import yaml

Manifest = dict[str, Any]
T = TypeVar("T")

AGAIN_S = 0.2
"""Between two tries to reach an API server that is away."""


class ApiError(Exception):
    """An answer other than 2xx: its `status.reason` (`NotFound`, `Conflict`, …), code and message."""

    def __init__(self, response: httpx.Response) -> None:
        try:
            status = msgspec.json.decode(response.content)
        except msgspec.DecodeError:
            status = {}
        self.code = response.status_code
        self.reason: str = status.get("reason", "")
        self.message: str = status.get("message", response.text)
        super().__init__(f"{self.code} {self.reason}: {self.message}")


async def persist(call: Callable[[], Awaitable[T]]) -> T:
    """Call again for as long as the API server is away or overloaded."""
    while True:
        try:
            return await call()
        except httpx.TransportError:
            pass
        except ApiError as error:
            if error.code < 500 and error.code != 429:
                raise
        await asyncio.sleep(AGAIN_S)


class Resource(NamedTuple):
    """The API path of one kind of objects."""

    api_version: str
    plural: str

    def at(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """The path of the collection, of an object, or of its subresource."""
        root = "/api" if "/" not in self.api_version else "/apis"
        scope = [] if namespace is None else ["namespaces", namespace]
        return "/".join([root, self.api_version, *scope, self.plural, *filter(None, [name, subresource])])


PODS = Resource("v1", "pods")
NODES = Resource("v1", "nodes")
EVENTS = Resource("v1", "events")
SECRETS = Resource("v1", "secrets")
CONFIG_MAPS = Resource("v1", "configmaps")
NAMESPACES = Resource("v1", "namespaces")
SERVICE_ACCOUNTS = Resource("v1", "serviceaccounts")
QUOTAS = Resource("v1", "resourcequotas")
DEPLOYMENTS = Resource("apps/v1", "deployments")
REPLICA_SETS = Resource("apps/v1", "replicasets")
BUDGETS = Resource("policy/v1", "poddisruptionbudgets")
LEASES = Resource("coordination.k8s.io/v1", "leases")
ROLES = Resource("rbac.authorization.k8s.io/v1", "roles")
ROLE_BINDINGS = Resource("rbac.authorization.k8s.io/v1", "rolebindings")
ROUTES = Resource("penstock.dev/v1alpha1", "modelroutes")


class Watched(NamedTuple):
    """`kind` is ADDED, MODIFIED, DELETED or, once after what was there already, SYNCED."""

    kind: str
    object: Manifest


class Api:
    """One identity at one API server; `async with` closes it."""

    def __init__(self, url: str, *, token: str | None = None, trusted: ssl.SSLContext | None = None) -> None:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._client = httpx.AsyncClient(
            base_url=url, headers=headers, verify=trusted or True, trust_env=False, timeout=httpx.Timeout(30.0)
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def get(self, path: str, **query: str) -> Manifest:
        return await self._call("GET", path, None, query)

    async def find(self, path: str) -> Manifest | None:
        """The object, or None when there is none."""
        try:
            return await self.get(path)
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    async def list(self, path: str, **query: str) -> list[Manifest]:
        items: list[Manifest] = (await self.get(path, **query))["items"]
        return items

    async def create(self, path: str, manifest: Mapping[str, Any]) -> Manifest:
        """`path` is the collection's."""
        return await self._call("POST", path, manifest)

    async def replace(self, path: str, manifest: Mapping[str, Any]) -> Manifest:
        return await self._call("PUT", path, manifest)

    async def patch(self, path: str, change: Any, *, kind: str = "merge") -> Manifest:
        """`kind` is merge, strategic-merge or json."""
        return await self._call("PATCH", path, change, content_type=f"application/{kind}-patch+json")

    async def apply(self, path: str, manifest: Mapping[str, Any], *, manager: str) -> Manifest:
        """Server-side apply; a conflict is an `ApiError`."""
        query = {"fieldManager": manager}
        return await self._call("PATCH", path, manifest, query, content_type="application/apply-patch+yaml")

    async def delete(self, path: str, options: Mapping[str, Any] | None = None) -> None:
        """`options` are DeleteOptions (`gracePeriodSeconds`, `propagationPolicy`). An object that is gone is fine."""
        try:
            await self._call("DELETE", path, options)
        except ApiError as error:
            if error.code != 404:
                raise

    async def text(self, path: str, **query: str) -> str:
        """A path that is not an object: `/metrics`, `/readyz`."""
        response = await self._client.get(path, params=query)
        if not response.is_success:
            raise ApiError(response)
        return response.text

    # Waiting

    async def until(
        self, path: str, holds: Callable[[Manifest], Any], what: str, *, timeout_s: float = 15.0
    ) -> Manifest:
        """Wait until the object of this path is there and `holds`; returns it as it was then."""
        collection, name = path.rsplit("/", 1)

        def found(objects: Sequence[Manifest]) -> Manifest | None:
            return next(filter(holds, objects), None)

        object_: Manifest = await self.until_all(
            collection, found, what, timeout_s=timeout_s, fieldSelector=f"metadata.name={name}"
        )
        return object_

    async def gone(self, path: str, *, timeout_s: float = 15.0) -> None:
        """Wait until there is no object of this path."""
        collection, name = path.rsplit("/", 1)
        selector = f"metadata.name={name}"
        await self.until_all(
            collection, lambda objects: not objects, f"{name} is gone", timeout_s=timeout_s, fieldSelector=selector
        )

    async def until_all(
        self,
        collection: str,
        holds: Callable[[Sequence[Manifest]], T | None],
        what: str,
        *,
        timeout_s: float = 15.0,
        **query: str,
    ) -> T:
        """Wait until `holds` of everything in the collection is truthy, and return that.

        `query` narrows it: `labelSelector`, `fieldSelector`.
        """
        seen: Sequence[Manifest] = []
        try:
            async with asyncio.timeout(timeout_s), contextlib.aclosing(self.follow(collection, **query)) as states:
                async for seen in states:
                    if result := holds(seen):
                        return result
        except TimeoutError:
            pass
        for object_ in seen:
            object_["metadata"].pop("managedFields", None)
        last = yaml.safe_dump(list(seen), sort_keys=False)
        raise TimeoutError(f"not within {timeout_s} s: {what}; seen last:\n{last}")

    async def follow(self, collection: str, **query: str) -> AsyncGenerator[Sequence[Manifest], None]:
        """The objects of the collection, and again after every change, without end."""
        there: dict[str, Manifest] = {}
        synced = False
        async with contextlib.aclosing(self.watch(collection, **query)) as events:
            async for event in events:
                if event.kind == "SYNCED":
                    synced = True
                elif event.kind == "DELETED":
                    there.pop(event.object["metadata"]["uid"], None)
                else:
                    there[event.object["metadata"]["uid"]] = event.object
                if synced:
                    yield list(there.values())

    async def watch(self, collection: str, **query: str) -> AsyncGenerator[Watched, None]:
        """The existing objects as ADDED, then SYNCED with an empty object, then the changes, without end.

        It restarts when it ends or expires or the API server is unavailable: objects that were deleted meanwhile are
        then DELETED with their last state, the rest ADDED again.
        """
        known: dict[str, Manifest] = {}
        while True:
            try:
                listed = await self.get(collection, **query)
                items = {item["metadata"]["uid"]: item for item in listed["items"]}
                for uid in known.keys() - items.keys():
                    yield Watched("DELETED", known.pop(uid))
                for uid, item in items.items():
                    known[uid] = item
                    yield Watched("ADDED", item)
                yield Watched("SYNCED", {})
                async with contextlib.aclosing(self._stream(collection, listed, query)) as events:
                    async for event in events:
                        uid = event.object["metadata"]["uid"]
                        if event.kind == "DELETED":
                            known.pop(uid, None)
                        else:
                            known[uid] = event.object
                        yield event
            except httpx.TransportError:
                await asyncio.sleep(AGAIN_S)
            except ApiError as error:
                if error.code not in {410, 429} and error.code < 500:
                    raise
                await asyncio.sleep(AGAIN_S)

    async def _stream(
        self, collection: str, listed: Manifest, query: Mapping[str, str]
    ) -> AsyncGenerator[Watched, None]:
        since = {"watch": "true", "resourceVersion": listed["metadata"]["resourceVersion"]}
        # An idle watch is silent for minutes.
        timeout = httpx.Timeout(30.0, read=None)
        async with self._client.stream("GET", collection, params={**query, **since}, timeout=timeout) as response:
            if not response.is_success:
                await response.aread()
                raise ApiError(response)
            async for line in response.aiter_lines():
                event = msgspec.json.decode(line)
                if event["type"] == "ERROR":
                    return
                kind = listed["kind"].removesuffix("List")
                yield Watched(event["type"], {"apiVersion": listed["apiVersion"], "kind": kind, **event["object"]})

    async def _call(
        self,
        method: str,
        path: str,
        body: Any,
        query: Mapping[str, str] | None = None,
        *,
        content_type: str = "application/json",
    ) -> Manifest:
        content = None if body is None else msgspec.json.encode(body)
        response = await self._client.request(
            method, path, params=query, content=content, headers={"Content-Type": content_type}
        )
        if not response.is_success:
            raise ApiError(response)
        result: Manifest = msgspec.json.decode(response.content)
        return result
