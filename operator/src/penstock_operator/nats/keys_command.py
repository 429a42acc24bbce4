"""`penstock nats-keys`: creates an installation's keys for its broker, once.

The chart runs it before an installation and each upgrade, with its own ServiceAccount: existing keys stay, and derived
files (permissions of a new version) are updated. Without `--apply` it prints a new Secret, for external secret stores.
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
from penstock_operator.kube.client import ClusterClient
from penstock_operator.kube.credentials import ClusterConfigError, ClusterCredentials
from penstock_operator.kube.transport import Transport
from penstock_operator.nats.keys import ROOT, KeysUnreadable, NatsKeys, read_root
from penstock_runtime.examples import with_examples

TRIES: Final = 30
AGAIN_S: Final = 1.0
"""For an API server that restarts, or a network policy that is not in force yet."""


class SecretStore(Protocol):
    """The part of the API client that is used; every method raises `ApiError`."""

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
    """The keys for an installation, from its present Secret. Raises `KeysUnreadable`."""
    if found is None:
        return NatsKeys.new(secrets.token_bytes, now, rotation)
    if (root := found.get("data", {}).get(ROOT)) is None:
        raise KeysUnreadable(f"the Secret has no {ROOT}: set it as nats.auth.existingSecret, or name another one here")
    return read_root(base64.b64decode(root)).rotated(rotation, secrets.token_bytes)


async def provide(client: SecretStore, namespace: str, name: str, rotation: str) -> str:
    """Creates or updates the Secret; returns a description. Raises `ApiError` and `KeysUnreadable`."""
    found = await client.read_secret(namespace, name)
    wanted = secret_of(renewed(found, rotation, int(time.time())), namespace, name)
    if found is not None and found["data"] == wanted["data"]:
        return "is up to date"
    await client.apply(wanted)
    return "was created" if found is None else "was updated"


async def _provide(namespace: str, name: str, rotation: str) -> str:
    credentials = ClusterCredentials(os.environ)
    await credentials.load()
    transport = Transport(credentials, lambda *_: None)
    await transport.open()
    client = ClusterClient(transport, may_write=lambda: True)
    try:
        return await _with_retries(lambda: provide(client, namespace, name, rotation))
    finally:
        await transport.close()


async def _with_retries(work: Callable[[], Any]) -> str:
    for _ in range(TRIES):
        try:
            return str(await work())
        except ApiError as error:
            if error.kind not in {"Unavailable", "TooManyRequests", "Failed", "Conflict"}:
                raise
            print(f"penstock nats-keys: {error}", file=sys.stderr)  # noqa: T201
            await asyncio.sleep(error.retry_after_s or AGAIN_S)
    return str(await work())


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="penstock nats-keys", description="Create the keys of an installation's broker."
    )
    made.add_argument("--namespace", default="", help="namespace of the Secret")
    made.add_argument("--secret", default="penstock-nats-keys", help="name of the Secret")
    made.add_argument(
        "--apply", action="store_true", help="create or update the Secret in the cluster, instead of printing a new one"
    )
    made.add_argument("--rotation", default="", help="name of a rotation: a new name creates a new signing key")
    return with_examples(
        made,
        "penstock nats-keys > secret.json    # for an external secret store",
        "penstock nats-keys --namespace ai --apply",
    )


def main() -> None:
    args = parser().parse_args()
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
