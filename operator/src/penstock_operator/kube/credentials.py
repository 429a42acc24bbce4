"""Address and credentials of the API server, from a kubeconfig or a pod's service account.

The official client loads them: kubeconfigs with certificates, tokens and exec plugins are hard to read correctly.
"""

import asyncio
import os
from collections.abc import Mapping

import structlog
import yaml
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config

RELOAD_S = 60.0

log = structlog.get_logger("penstock.operator")


class ClusterConfigError(Exception):
    """No configuration for the API server was found, or it cannot be read; the message is for a person."""


class ClusterCredentials:
    """Reads the file in `KUBECONFIG`, else a pod's service account, else the user's kubeconfig."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        in_pod = "KUBERNETES_SERVICE_HOST" in environ
        default = None if in_pod else os.path.expanduser("~/.kube/config")  # noqa: PTH111 - kubernetes takes text
        self._kubeconfig = environ.get("KUBECONFIG") or default
        self._loaded_at: float | None = None
        self.configuration = Configuration()

    async def load(self) -> None:
        """Raises `ClusterConfigError`."""
        configuration = self.configuration
        try:
            if self._kubeconfig is None:
                load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
            else:
                await load_kube_config(  # type: ignore[no-untyped-call]
                    self._kubeconfig, client_configuration=configuration, persist_config=False
                )
        except (ConfigException, OSError, TypeError, ValueError, yaml.YAMLError) as error:
            # TypeError: the file is YAML, but not a kubeconfig.
            where = self._kubeconfig or "the service account of this pod"
            raise ClusterConfigError(f"{where}: {type(error).__name__}: {error}") from error
        self._loaded_at = asyncio.get_running_loop().time()

    async def authorization(self) -> str | None:
        """The present value of the Authorization header; None if a client certificate authenticates."""
        # A kubeconfig is read again as a whole, with its token files and plugins. For a pod's token the official
        # client does that.
        now = asyncio.get_running_loop().time()
        try:
            if self._kubeconfig is not None and (self._loaded_at is None or now - self._loaded_at > RELOAD_S):
                await self.load()
            return await self.configuration.get_api_key_with_prefix("BearerToken")
        except (ClusterConfigError, ConfigException, OSError) as error:
            # The token of a minute ago may still be valid; if not, the server responds with 401.
            log.warning("operator.credentials_not_read", detail=str(error))
            self._loaded_at = now
            return self.configuration.api_key.get("BearerToken")
