"""What each role may say and hear on the broker, and nothing else: explicit lists, made of `subjects`; pure.

Beside our own subjects there are those of JetStream's API which nats-py speaks for us. They were found by running the
whole road under these lists, and tests/integration/security/test_nats_users.py does that again.

A broker looks at what is published and at what is listened to, not at where an answer is asked for. So a role has an
inbox of its own, and nobody else may listen there.
"""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from penstock_broker import advisories
from penstock_contract import subjects

API: Final = "$JS.API"
FIXED_STREAMS: Final = (
    *map(
        subjects.bucket_stream,
        (subjects.CATALOGUE_BUCKET, subjects.KEYS_BUCKET, subjects.LIMITS_BUCKET, subjects.GATEWAYS_BUCKET),
    ),
    subjects.USAGE,
    subjects.CHECKPOINTS,
)
"""Those that are no route's queue. A wildcard covers whole tokens: `REQUESTS_*` can only be said as all but these."""


class Permissions(Struct, frozen=True, kw_only=True):
    """`never_publish` wins over `publish`."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    never_publish: tuple[str, ...] = ()


def gateway() -> Permissions:
    """Takes requests and their answers of every route; holds keys, limits and usage. Makes and deletes no stream."""
    keys, limits, gateways = subjects.KEYS_BUCKET, subjects.LIMITS_BUCKET, subjects.GATEWAYS_BUCKET
    return Permissions(
        publish=(
            subjects.ALL_REQUESTS,
            # Takes back what its client no longer waits for.
            f"{API}.STREAM.MSG.DELETE.*",
            subjects.ALL_CONTROLS,
            subjects.ALL_ACTIVATIONS,
            subjects.ALL_GATEWAY_HEARTBEATS,
            subjects.ALL_USAGE,
            *map(subjects.bucket_entries, (keys, limits, gateways)),
            *_watch(subjects.CATALOGUE_BUCKET),
            *_watch(keys),
            *_watch(gateways),
            *(f"{API}.STREAM.MSG.GET.{subjects.bucket_stream(bucket)}" for bucket in (keys, gateways)),
            f"{API}.DIRECT.GET.{subjects.bucket_stream(limits)}.>",
            f"{API}.DIRECT.GET.{subjects.USAGE}.>",
            f"{API}.DIRECT.GET.{subjects.CHECKPOINTS}.>",
            *_consume(subjects.USAGE),
            f"{API}.CONSUMER.MSG.NEXT.{subjects.USAGE}.*",
        ),
        never_publish=tuple(f"{API}.STREAM.MSG.DELETE.{stream}" for stream in FIXED_STREAMS),
        subscribe=(
            subjects.ALL_REPLIES,
            subjects.ALL_WORKER_HEARTBEATS,
            subjects.ALL_GATEWAY_HEARTBEATS,
            subjects.ALL_USAGE,
            f"{subjects.GATEWAY_INBOX}.>",
        ),
    )


def worker(namespace: str, route: str) -> Permissions:
    """Pulls its own route's queue and speaks into its own route's streams. It may read the catalogue, all of it."""
    queue = subjects.queue(namespace, route)
    return Permissions(
        publish=(
            f"{API}.CONSUMER.MSG.NEXT.{queue}.{subjects.CONSUMER}",
            f"$JS.ACK.{queue}.{subjects.CONSUMER}.>",
            subjects.route_replies(namespace, route),
            subjects.route_heartbeats(namespace, route),
            subjects.route_usage(namespace, route),
            # What stands in a row of its own route before it is replaced.
            f"{API}.DIRECT.GET.{subjects.USAGE}.{subjects.route_usage(namespace, route)}",
            subjects.route_checkpoints(namespace, route),
            *_watch(subjects.CATALOGUE_BUCKET),
        ),
        subscribe=(
            subjects.control_all(namespace, route),
            subjects.route_controls(namespace, route),
            subjects.ALL_GATEWAY_HEARTBEATS,
            f"{subjects.worker_inbox(namespace, route)}.>",
        ),
    )


def operator() -> Permissions:
    """Makes queues, buckets and streams, deletes queues only, and reads the catalogue only."""
    return Permissions(
        publish=(
            *(f"{API}.STREAM.{verb}.*" for verb in ("CREATE", "UPDATE", "INFO", "DELETE")),
            f"{API}.CONSUMER.DURABLE.CREATE.*.{subjects.CONSUMER}",
            f"{API}.CONSUMER.INFO.*.{subjects.CONSUMER}",
            f"{API}.CONSUMER.DELETE.*.{subjects.CONSUMER}",
            subjects.bucket_entries(subjects.CATALOGUE_BUCKET),
            *_watch(subjects.CATALOGUE_BUCKET),
            f"{API}.STREAM.MSG.GET.{subjects.bucket_stream(subjects.CATALOGUE_BUCKET)}",
            subjects.ALL_CONTROLS,
        ),
        never_publish=(
            *(f"{API}.STREAM.DELETE.{stream}" for stream in FIXED_STREAMS),
            *(f"{API}.CONSUMER.DURABLE.CREATE.{stream}.*" for stream in FIXED_STREAMS),
        ),
        subscribe=(
            subjects.ALL_WORKER_HEARTBEATS,
            subjects.ALL_ACTIVATIONS,
            *advisories.SUBJECTS,
            f"{subjects.OPERATOR_INBOX}.>",
        ),
    )


def _watch(bucket: str) -> Iterator[str]:
    """To follow a bucket, as nats-py does it: an ephemeral consumer that is made anew when it misses something."""
    stream = subjects.bucket_stream(bucket)
    yield from _consume(stream)
    yield f"$JS.FC.{stream}.>"


def _consume(stream: str) -> Iterator[str]:
    """An ephemeral consumer's whole life. Others' names are the broker's random ones, and nobody may list them."""
    yield f"{API}.STREAM.INFO.{stream}"
    yield f"{API}.CONSUMER.CREATE.{stream}"
    yield f"{API}.CONSUMER.INFO.{stream}.*"
    yield f"{API}.CONSUMER.DELETE.{stream}.*"
