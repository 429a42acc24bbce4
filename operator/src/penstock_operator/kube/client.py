"""The API server behind a few verbs: plain dicts in and out, a closed set of errors, a timeout on everything.

The only module that imports `kubernetes`, and only for what is hard to do well: finding the server and staying let in
(kubeconfigs with certificates, tokens and plugins; a pod's service account). Its dynamic client is not used: it would
discover every API at start, and its typed one refuses fields that it does not know.
"""

import asyncio
import os
import ssl
from collections.abc import Callable, Mapping
from typing import Any, Final

import aiohttp
import msgspec
import structlog
import yaml
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config

from penstock_operator.kube import resources
from penstock_operator.kube.api_error import ApiError, error_of
from penstock_operator.kube.api_session import REQUEST_TIMEOUT_S, CallEnded, open_session, timeout
from penstock_operator.kube.nesting import bounded
from penstock_operator.kube.resources import Resource

MANAGER: Final = "penstock"
SCALER: Final = "penstock-scaler"
"""A second field manager for `spec.replicas` alone: an apply of the Deployment never touches the number."""

APPLY: Final = "application/apply-patch+yaml"
MERGE: Final = "application/merge-patch+json"
LIST_CHUNK: Final = 500
LIST_TIMEOUT_S: Final = 30.0
RELOAD_S: Final = 60.0
LARGE_BYTES: Final = 256 * 1024
"""An answer that is larger is decoded in a thread: the lease has to be renewed meanwhile."""
RETRY_AFTER_S: Final = 1.0
"""For a server that is too busy to say how busy."""

Body = dict[str, Any]

log = structlog.get_logger("penstock.operator")


class NoCluster(Exception):  # noqa: N818
    """Nothing says where the API server is, or what says it cannot be read; the message is for a person."""


class ClusterCredentials:
    """From `KUBECONFIG`, else of the pod that we run in, else from the user's kubeconfig."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        in_pod = "KUBERNETES_SERVICE_HOST" in environ
        default = None if in_pod else os.path.expanduser("~/.kube/config")  # noqa: PTH111 - kubernetes wants text
        self._kubeconfig = environ.get("KUBECONFIG") or default
        self._configuration = Configuration()
        self._loaded_at: float | None = None

    @property
    def server(self) -> str:
        return str(self._configuration.host).rstrip("/")

    @property
    def proxy(self) -> str | None:
        return self._configuration.proxy

    async def load(self) -> None:
        """Raises `NoCluster`."""
        configuration = self._configuration
        try:
            if self._kubeconfig is None:
                load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
            else:
                await load_kube_config(  # type: ignore[no-untyped-call]
                    self._kubeconfig, client_configuration=configuration, persist_config=False
                )
        except (ConfigException, OSError, TypeError, ValueError, yaml.YAMLError) as error:
            # TypeError: for a file that is YAML but not a kubeconfig.
            where = self._kubeconfig or "the service account of this pod"
            raise NoCluster(f"{where}: {type(error).__name__}: {error}") from error
        self._loaded_at = asyncio.get_running_loop().time()

    def ssl_context(self) -> ssl.SSLContext | bool:
        config = self._configuration
        if not self.server.startswith("https:"):
            return True
        context = ssl.create_default_context(cafile=config.ssl_ca_cert, cadata=config.ca_cert_data)
        if config.cert_file:
            context.load_cert_chain(config.cert_file, keyfile=config.key_file)
        if not config.verify_ssl:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    async def authorization(self) -> str | None:
        # A kubeconfig is read again as a whole, with its token files and plugins; a pod's token by kubernetes itself.
        now = asyncio.get_running_loop().time()
        try:
            if self._kubeconfig is not None and (self._loaded_at is None or now - self._loaded_at > RELOAD_S):
                await self.load()
            return await self._configuration.get_api_key_with_prefix("BearerToken")
        except (NoCluster, ConfigException, OSError) as error:
            # What was valid a minute ago may still be; if not, the server says so.
            log.warning("operator.credentials_not_read", detail=str(error))
            self._loaded_at = now
            return self._configuration.api_key.get("BearerToken")


class Cluster:
    """Every method raises `ApiError`. Whoever calls `open` calls `close`.

    A server that asks for quiet gets it from all of us, until then the others raise TooManyRequests by themselves.

    `may_write` is asked before every write but those of the lease: a leader whose lease has run out stops at once, also
    in the middle of what it was doing.
    """

    def __init__(self, credentials: ClusterCredentials, *, ended: CallEnded, may_write: Callable[[], bool]) -> None:
        self._credentials = credentials
        self._ended = ended
        self._may_write = may_write
        self._session: aiohttp.ClientSession | None = None
        self._quiet_until = 0.0
        self.answered_at: float | None = None
        """The loop's time of the last answer, whatever it said."""

    async def open(self) -> None:
        self._session = open_session(self._credentials, self._ended)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def list(self, resource: Resource, namespace: str) -> list[Body]:
        """All objects that are ours. With their kind, which a list of Kubernetes' own objects leaves out.

        Without a `resourceVersion`, so that it is no older than the question.
        """
        query = {"limit": str(LIST_CHUNK)}
        if selector := resources.selector(resource):
            query["labelSelector"] = selector
        found: list[Body] = []
        while True:
            answer = await self._call("GET", resource.path(namespace), query=query, timeout_s=LIST_TIMEOUT_S)
            found += [{"apiVersion": resource.api_version, "kind": resource.kind, **item} for item in answer["items"]]
            if not (token := answer["metadata"].get("continue")):
                return found
            query["continue"] = token

    async def apply(self, body: Body, *, dry_run: bool = False) -> Body:
        """Make our fields of an object what `body` says, and leave everybody else's alone; or ask whether we could."""
        return await self._apply(resources.of_object(body), body, MANAGER, dry_run=dry_run)

    async def scale(self, namespace: str, name: str, replicas: int) -> None:
        """Set a Deployment's number of replicas, and own it."""
        body = {
            "apiVersion": "autoscaling/v1",
            "kind": "Scale",
            "metadata": {"namespace": namespace, "name": name},
            "spec": {"replicas": replicas},
        }
        await self._apply(resources.DEPLOYMENTS, body, SCALER, "scale")

    async def apply_status(self, namespace: str, name: str, status: Body) -> Body:
        """Make a ModelRoute's status what `status` says; also a field that it no longer has goes."""
        body = {
            "apiVersion": resources.MODEL_ROUTES.api_version,
            "kind": resources.MODEL_ROUTES.kind,
            "metadata": {"namespace": namespace, "name": name},
            "status": status,
        }
        return await self._apply(resources.MODEL_ROUTES, body, MANAGER, "status")

    async def annotate_pod(self, namespace: str, name: str, annotations: Mapping[str, str | None]) -> None:
        """Set annotations; None takes one away."""
        body = {"metadata": {"annotations": dict(annotations)}}
        self._check_may_write()
        path = resources.PODS.path(namespace, name)
        await self._call("PATCH", path, query={"fieldManager": MANAGER}, body=body, content_type=MERGE)

    async def delete(self, resource: Resource, namespace: str, name: str) -> None:
        """Does nothing if it is not there."""
        self._check_may_write()
        try:
            await self._call("DELETE", resource.path(namespace, name), body={"propagationPolicy": "Background"})
        except ApiError as error:
            if error.kind != "NotFound":
                raise

    async def create_secret(self, secret: Body) -> None:
        """Does nothing if one of this name is there, whatever is in it."""
        self._check_may_write()
        try:
            await self._call("POST", resources.SECRETS.path(secret["metadata"]["namespace"]), body=secret)
        except ApiError as error:
            if error.kind != "Conflict":
                raise

    async def read_secret(self, namespace: str, name: str) -> Body | None:
        """For `penstock nats-keys` alone: the operator has no right to it."""
        return await self._find(resources.SECRETS.path(namespace, name))

    async def create_event(self, event: Body) -> None:
        self._check_may_write()
        await self._call("POST", resources.EVENTS.path(event["metadata"]["namespace"]), body=event)

    async def read_lease(self, namespace: str, name: str, *, timeout_s: float) -> Body | None:
        return await self._find(resources.LEASES.path(namespace, name), timeout_s=timeout_s, urgent=True)

    async def write_lease(self, lease: Body, *, timeout_s: float) -> Body:
        """Create it, or replace the version that `lease` was read as; raises Conflict if somebody was faster."""
        namespace, name = lease["metadata"]["namespace"], lease["metadata"]["name"]
        if "resourceVersion" in lease["metadata"]:
            path = resources.LEASES.path(namespace, name)
            return await self._call("PUT", path, body=lease, timeout_s=timeout_s, urgent=True)
        return await self._call("POST", resources.LEASES.path(namespace), body=lease, timeout_s=timeout_s, urgent=True)

    async def _apply(
        self, resource: Resource, body: Body, manager: str, subresource: str = "", *, dry_run: bool = False
    ) -> Body:
        self._check_may_write()
        metadata = body["metadata"]
        path = resource.path(metadata["namespace"], metadata["name"], subresource)
        # Forced: a field that we want is ours, also where somebody else has set it.
        query = {"fieldManager": manager, "force": "true", **({"dryRun": "All"} if dry_run else {})}
        return await self._call("PATCH", path, query=query, body=body, content_type=APPLY)

    def _check_may_write(self) -> None:
        if not self._may_write():
            raise ApiError("Unavailable", "this operator does not hold the lease")

    async def _find(self, path: str, *, timeout_s: float | None = None, urgent: bool = False) -> Body | None:
        try:
            return await self._call("GET", path, timeout_s=timeout_s, urgent=urgent)
        except ApiError as error:
            if error.kind == "NotFound":
                return None
            raise

    async def _leave(self, session: aiohttp.ClientSession) -> None:
        """Drop every connection: where one has gone silent the others have too, and each would cost a timeout.

        A lease has not the time for that. Calls that are on their way fail as Unavailable, which is what they are.
        """
        if self._session is session:
            await self.open()
            await session.close()

    async def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Body | None = None,
        content_type: str = "application/json",
        timeout_s: float | None = None,
        urgent: bool = False,
    ) -> Body:
        """`urgent` may not wait until the server is less busy."""
        session = self._session
        assert session is not None, "open comes first"
        loop = asyncio.get_running_loop()
        if loop.time() < self._quiet_until and not urgent:
            raise ApiError("TooManyRequests", "told to wait", retry_after_s=self._quiet_until - loop.time())
        try:
            async with session.request(
                method,
                self._credentials.server + path,
                params=query,
                data=None if body is None else msgspec.json.encode(body),
                headers=None if body is None else {"Content-Type": content_type},
                timeout=timeout(timeout_s or REQUEST_TIMEOUT_S),
            ) as response:
                data = await response.read()
        except TimeoutError:
            await self._leave(session)
            raise ApiError("Unavailable", "the API server did not answer in time") from None
        except (aiohttp.ClientError, OSError) as error:
            raise ApiError("Unavailable", f"the API server is away: {type(error).__name__}") from error
        self.answered_at = loop.time()
        if response.status >= 400:
            refused = error_of(response.status, data, response.headers.get("Retry-After"))
            if refused.kind == "TooManyRequests":
                self._quiet_until = loop.time() + (refused.retry_after_s or RETRY_AFTER_S)
            raise refused
        if len(data) > LARGE_BYTES:
            return await asyncio.to_thread(_decode, data)
        return _decode(data)


def _decode(data: bytes) -> Body:
    answer: Body = msgspec.json.decode(bounded(data))
    return answer
