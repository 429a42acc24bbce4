"""`penstock nats-keys`: makes an installation's keys for its broker, once.

Run by the chart before an installation and each upgrade, as its own ServiceAccount: what is there stays, and what
follows from it (permissions of a new version) is brought up to date. Without `--apply` it prints a new Secret, for who
keeps Secrets elsewhere.
"""

import argparse
import asyncio
import base64
import os
import secrets
import sys
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec

from penstock_operator.kube import resources
from penstock_operator.kube.api_error import ApiError
from penstock_operator.kube.client import Cluster, ClusterCredentials, ClusterConfigError
from penstock_operator.nats.keys import ROOT, KeysUnreadable, NatsKeys, read_root

TRIES: Final = 30
AGAIN_S: Final = 1.0
"""An API server that restarts, or a network policy that is not in force yet."""


class SecretStore(Protocol):
    """What is needed of the cluster; everything raises `ApiError`."""

    async def read_secret(self, namespace: str, name: str) -> dict[str, Any] | None: ...

    async def apply(self, body: dict[str, Any]) -> dict[str, Any]: ...


def secret_of(keys: NatsKeys, namespace: str, name: str) -> dict[str, Any]:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    labels = {"app.kubernetes.io/part-of": "penstock", "app.kubernetes.io/managed-by": "penstock-nats-keys"}
    data = {file: base64.b64encode(text.encode()).decode() for file, text in keys.files().items()}
    return {
        "apiVersion": resources.SECRETS.api_version,
        "kind": resources.SECRETS.kind,
        "metadata": metadata | {"labels": labels},
        "type": "Opaque",
        "data": data,
    }


def renewed(found: dict[str, Any] | None, rotation: str, now: int) -> NatsKeys:
    """The keys that an installation should have, from the Secret that it has. Raises `KeysUnreadable`."""
    if found is None:
        return NatsKeys.new(secrets.token_bytes, now, rotation)
    if (root := found.get("data", {}).get(ROOT)) is None:
        raise KeysUnreadable(f"the Secret has no {ROOT}: name it as nats.auth.existingSecret, or another one here")
    return read_root(base64.b64decode(root)).rotated(rotation, secrets.token_bytes)


async def provide(cluster: SecretStore, namespace: str, name: str, rotation: str) -> str:
    """See that the Secret is there and up to date; what was done, in words. Raises `ApiError` and `KeysUnreadable`."""
    found = await cluster.read_secret(namespace, name)
    wanted = secret_of(renewed(found, rotation, int(time.time())), namespace, name)
    if found is not None and found["data"] == wanted["data"]:
        return "is as it should be"
    await cluster.apply(wanted)
    return "was made" if found is None else "was brought up to date"


async def _provide(namespace: str, name: str, rotation: str) -> str:
    credentials = ClusterCredentials(os.environ)
    await credentials.load()
    cluster = Cluster(credentials, ended=lambda *_: None, may_write=lambda: True)
    await cluster.open()
    try:
        return await _patiently(lambda: provide(cluster, namespace, name, rotation))
    finally:
        await cluster.close()


async def _patiently(work: Callable[[], Any]) -> str:
    for _ in range(TRIES):
        try:
            return str(await work())
        except ApiError as error:
            if error.kind not in {"Unavailable", "TooManyRequests", "Failed", "Conflict"}:
                raise
            print(f"penstock nats-keys: {error}", file=sys.stderr)  # noqa: T201
            await asyncio.sleep(error.retry_after_s or AGAIN_S)
    return str(await work())


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="penstock nats-keys", description="Make the keys of an installation's broker."
    )
    parser.add_argument("--namespace", default="", help="of the Secret")
    parser.add_argument("--secret", default="penstock-nats-keys", help="its name")
    parser.add_argument("--apply", action="store_true", help="in the cluster, instead of printing a new one")
    parser.add_argument("--rotation", default="", help="a new word here makes a new signing key")
    args = parser.parse_args()
    if not args.apply:
        keys = NatsKeys.new(secrets.token_bytes, int(time.time()), args.rotation)
        print(msgspec.json.encode(secret_of(keys, args.namespace, args.secret)).decode())  # noqa: T201
        return
    try:
        done = asyncio.run(_provide(args.namespace, args.secret, args.rotation))
    except (ClusterConfigError, ApiError, KeysUnreadable) as error:
        sys.exit(f"penstock nats-keys: {args.namespace}/{args.secret}: {error}")
    print(f"penstock nats-keys: {args.namespace}/{args.secret} {done}")  # noqa: T201


if __name__ == "__main__":
    main()
