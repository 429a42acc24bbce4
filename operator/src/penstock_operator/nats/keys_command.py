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
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import msgspec

from penstock_operator.kube import resources
from penstock_operator.kube.api_error import ApiError
from penstock_operator.kube.client import ClusterClient
from penstock_operator.kube.credentials import ClusterConfigError, ClusterCredentials
from penstock_operator.kube.transport import Transport
from penstock_operator.nats.keys import ROOT, KeysUnreadable, NatsKeys, read_root
from penstock_runtime.parsers import with_examples

GIVE_UP_S: Final = 30.0
"""The chart's Job fails later (`nats.auth.job.timeoutSeconds`), and its pod with the log is then deleted."""
AGAIN_S: Final = 1.0
"""For an API server that restarts, or a network policy that is not in force yet."""


class SecretStore(Protocol):
    """The part of the API client that is used; every method raises `ApiError`."""

    async def read_secret(self, namespace: str, name: str) -> dict[str, Any] | None: ...

    async def apply(self, body: dict[str, Any]) -> dict[str, Any]: ...


MADE_FOR: Final = "penstock.dev/made-for"
"""Annotation with the caller's description of its version; the chart runs no Job for a Secret of its own version."""
UNREACHABLE: Final = "no connection to the API server; if its port is not in networkPolicy.apiServerPorts, add it there"


def secret_of(files: Mapping[str, str], namespace: str, name: str, made_for: str = "") -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, **({"namespace": namespace} if namespace else {})}
    if made_for:
        metadata["annotations"] = {MADE_FOR: made_for}
    labels = {"app.kubernetes.io/part-of": "penstock", "app.kubernetes.io/managed-by": "penstock-nats-keys"}
    data = {file: base64.b64encode(text.encode()).decode() for file, text in files.items()}
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


async def provide(
    client: SecretStore, namespace: str, name: str, rotation: str, made_for: str = "", *, admin_secret: str = ""
) -> str:
    """Creates or updates the Secret, and that of the admin; returns a description. Raises `ApiError`, `KeysUnreadable`.

    The admin's comes first: the annotation of the other one is the mark that both are complete.
    """
    found = await client.read_secret(namespace, name)
    keys = renewed(found, rotation, int(time.time()))
    wanted = secret_of(keys.files(), namespace, name, made_for)
    if admin_secret:
        await _provide_admin(client, secret_of(keys.admin_files(), namespace, admin_secret))
    if found is not None and found["data"] == wanted["data"] and _made_for(found) == made_for:
        return "is up to date"
    await client.apply(wanted)
    return "was created" if found is None else "was updated"


async def _provide_admin(client: SecretStore, wanted: dict[str, Any]) -> None:
    found = await client.read_secret(wanted["metadata"]["namespace"], wanted["metadata"]["name"])
    if found is None or found.get("data") != wanted["data"]:
        await client.apply(wanted)


def _made_for(secret: dict[str, Any]) -> str:
    return str((secret["metadata"].get("annotations") or {}).get(MADE_FOR, ""))


async def _provide(args: argparse.Namespace) -> str:
    credentials = ClusterCredentials(os.environ)
    await credentials.load()
    transport = Transport(credentials, lambda *_: None)
    await transport.open()
    client = ClusterClient(transport, may_write=lambda: True)
    try:
        return await with_retries(
            lambda: provide(
                client,
                args.namespace,
                args.secret,
                args.rotation,
                args.made_for,
                admin_secret=args.admin_secret,
            )
        )
    finally:
        await transport.close()


async def with_retries(work: Callable[[], Any]) -> str:
    """Repeats `work` for `GIVE_UP_S` while a retry may help. Raises `ApiError` and what else `work` raises."""
    loop = asyncio.get_running_loop()
    until = loop.time() + GIVE_UP_S
    while True:
        try:
            return str(await work())
        except ApiError as error:
            delay_s = error.retry_after_s or AGAIN_S
            if (
                error.kind not in {"Unavailable", "TooManyRequests", "Failed", "Conflict"}
                or loop.time() + delay_s > until
            ):
                raise
            print(f"penstock nats-keys: {error}", file=sys.stderr)  # noqa: T201
            await asyncio.sleep(delay_s)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="penstock nats-keys", description="Create the keys of an installation's broker."
    )
    made.add_argument("--namespace", default="", help="namespace of the Secret")
    made.add_argument("--secret", default="penstock-nats-keys", help="name of the Secret")
    made.add_argument("--admin-secret", default="", help="name of a Secret for admin.creds; default: none is made")
    made.add_argument(
        "--apply", action="store_true", help="create or update the Secret in the cluster, instead of printing a new one"
    )
    made.add_argument("--rotation", default="", help="name of a rotation: a new name creates a new signing key")
    made.add_argument("--made-for", default="", help="description of the version, for an annotation of the Secret")
    return with_examples(
        made,
        "penstock nats-keys > secret.json    # for an external secret store",
        "penstock nats-keys --namespace ai --apply",
    )


def main() -> None:
    args = parser().parse_args()
    if not args.apply:
        keys = NatsKeys.new(secrets.token_bytes, int(time.time()), args.rotation)
        secret = secret_of(keys.files(), args.namespace, args.secret)
        if args.admin_secret:
            admin = secret_of(keys.admin_files(), args.namespace, args.admin_secret)
            secret = {"apiVersion": "v1", "kind": "List", "items": [secret, admin]}
        print(msgspec.json.encode(secret).decode())  # noqa: T201
        return
    try:
        done = asyncio.run(_provide(args))
    except (ClusterConfigError, ApiError, KeysUnreadable) as error:
        why = f"{error}: {UNREACHABLE}" if isinstance(error, ApiError) and error.kind == "Unavailable" else str(error)
        sys.exit(f"penstock nats-keys: {args.namespace}/{args.secret}: {why}")
    print(f"penstock nats-keys: {args.namespace}/{args.secret} {done}")  # noqa: T201


if __name__ == "__main__":
    main()
