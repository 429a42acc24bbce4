"""The API server's objects behind a few verbs: plain dicts in and out, a closed set of errors, a timeout on every call.

The official dynamic client is not used: it would discover every API at start. Its typed client drops fields that it
does not declare.
"""

from collections.abc import Callable, Mapping
from typing import Final

from penstock_operator.kube import resources
from penstock_operator.kube.api_error import ApiError
from penstock_operator.kube.resources import FIELD_MANAGER, SCALE_FIELD_MANAGER, Body, Resource
from penstock_operator.kube.transport import REQUEST_TIMEOUT_S, Transport

APPLY: Final = "application/apply-patch+yaml"
MERGE: Final = "application/merge-patch+json"
LIST_CHUNK: Final = 500
LIST_TIMEOUT_S: Final = 30.0


class LeaseClient:
    """Reads and writes the Lease, also while the API server delays other calls. Raises `ApiError`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def read_lease(self, namespace: str, name: str, *, timeout_s: float) -> Body | None:
        return await _find(self._transport, resources.LEASES.path(namespace, name), timeout_s=timeout_s, urgent=True)

    async def write_lease(self, lease: Body, *, timeout_s: float) -> Body:
        """Creates the Lease, or replaces the version in `lease`. Raises Conflict if that is not current."""
        namespace, name = lease["metadata"]["namespace"], lease["metadata"]["name"]
        exists = "resourceVersion" in lease["metadata"]
        method, path = (
            ("PUT", resources.LEASES.path(namespace, name)) if exists else ("POST", resources.LEASES.path(namespace))
        )
        return await self._transport.call(method, path, body=lease, timeout_s=timeout_s, urgent=True)


class ClusterClient:
    """Reads and writes every other object. Every method raises `ApiError`.

    `may_write` is checked before every write: a leader whose lease has expired stops at once, also within a pass.
    """

    def __init__(self, transport: Transport, *, may_write: Callable[[], bool], namespace_selector: str = "") -> None:
        self._transport = transport
        self._may_write = may_write
        self._namespace_selector = namespace_selector

    async def list(self, resource: Resource, namespace: str) -> list[Body]:
        """Returns all objects that the operator manages, with `apiVersion` and `kind`, which lists leave out.

        The request has no `resourceVersion`, so that the list is not older than the request.
        """
        query = {"limit": str(LIST_CHUNK)}
        if selector := self._namespace_selector if resource == resources.NAMESPACES else resources.selector(resource):
            query["labelSelector"] = selector
        found: list[Body] = []
        while True:
            page = await self._transport.call("GET", resource.path(namespace), query=query, timeout_s=LIST_TIMEOUT_S)
            found += [{"apiVersion": resource.api_version, "kind": resource.kind, **item} for item in page["items"]]
            if not (token := page["metadata"].get("continue")):
                return found
            query["continue"] = token

    async def apply(self, body: Body, *, dry_run: bool = False) -> Body:
        """Applies an object server-side; fields of other managers stay. `dry_run` only checks that it would succeed."""
        return await self._apply(resources.of_object(body), body, FIELD_MANAGER, dry_run=dry_run)

    async def scale(self, namespace: str, name: str, replicas: int) -> None:
        """Sets a Deployment's number of replicas, and owns that field."""
        body = {
            "apiVersion": "autoscaling/v1",
            "kind": "Scale",
            "metadata": {"namespace": namespace, "name": name},
            "spec": {"replicas": replicas},
        }
        await self._apply(resources.DEPLOYMENTS, body, SCALE_FIELD_MANAGER, "scale")

    async def apply_status(self, namespace: str, name: str, status: Body, *, manager: str = FIELD_MANAGER) -> Body:
        """Applies a ModelRoute's status; fields of `manager` that `status` no longer has are removed."""
        body = {
            "apiVersion": resources.MODEL_ROUTES.api_version,
            "kind": resources.MODEL_ROUTES.kind,
            "metadata": {"namespace": namespace, "name": name},
            "status": status,
        }
        return await self._apply(resources.MODEL_ROUTES, body, manager, "status")

    async def annotate_pod(self, namespace: str, name: str, annotations: Mapping[str, str | None]) -> None:
        """Sets annotations; None removes one."""
        await self._annotate(resources.PODS.path(namespace, name), annotations)

    async def annotate_deployment(self, namespace: str, name: str, annotations: Mapping[str, str | None]) -> Body:
        """Sets annotations; None removes one."""
        return await self._annotate(resources.DEPLOYMENTS.path(namespace, name), annotations)

    async def delete(self, resource: Resource, namespace: str, name: str) -> None:
        """Deletes an object; does nothing if it does not exist."""
        try:
            await self._write("DELETE", resource.path(namespace, name), body={"propagationPolicy": "Background"})
        except ApiError as error:
            if error.kind != "NotFound":
                raise

    async def create_secret(self, secret: Body) -> None:
        """Creates a Secret; does nothing if one of this name exists, whatever its contents."""
        try:
            await self._write("POST", resources.SECRETS.path(secret["metadata"]["namespace"]), body=secret)
        except ApiError as error:
            if error.kind != "Conflict":
                raise

    async def read_secret(self, namespace: str, name: str) -> Body | None:
        """For `penstock nats-keys` alone: the operator has no right to it."""
        return await _find(self._transport, resources.SECRETS.path(namespace, name))

    async def create_event(self, event: Body) -> None:
        await self._write("POST", resources.EVENTS.path(event["metadata"]["namespace"]), body=event)

    async def _apply(
        self, resource: Resource, body: Body, manager: str, subresource: str = "", *, dry_run: bool = False
    ) -> Body:
        metadata = body["metadata"]
        path = resource.path(metadata["namespace"], metadata["name"], subresource)
        # Forced: takes over a field that another manager has set.
        query = {"fieldManager": manager, "force": "true", **({"dryRun": "All"} if dry_run else {})}
        return await self._write("PATCH", path, query=query, body=body, content_type=APPLY)

    async def _annotate(self, path: str, annotations: Mapping[str, str | None]) -> Body:
        body = {"metadata": {"annotations": dict(annotations)}}
        return await self._write("PATCH", path, query={"fieldManager": FIELD_MANAGER}, body=body, content_type=MERGE)

    async def _write(
        self,
        method: str,
        path: str,
        *,
        body: Body,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Body:
        if not self._may_write():
            raise ApiError("Unavailable", "this operator does not hold the lease")
        return await self._transport.call(method, path, query=query, body=body, content_type=content_type)


async def _find(
    transport: Transport, path: str, *, timeout_s: float = REQUEST_TIMEOUT_S, urgent: bool = False
) -> Body | None:
    try:
        return await transport.call("GET", path, timeout_s=timeout_s, urgent=urgent)
    except ApiError as error:
        if error.kind == "NotFound":
            return None
        raise
