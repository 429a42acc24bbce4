"""The subjects that each role may publish and subscribe to: explicit lists, made of `subjects`; pure.

Beside Penstock's own subjects there are those of JetStream's API that nats-py uses. They were found by running the
whole system under these lists, and tests/integration/security/test_nats_users.py does that again.

A broker checks publish and subscribe subjects, not the reply subject of a request. So each role has an inbox prefix of
its own, and no other role may subscribe to it.
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
    subjects.STREAMS,
)
"""Streams that are no route's queue. A wildcard covers whole tokens: `REQUESTS_*` is written as all but these."""


class Permissions(Struct, frozen=True, kw_only=True):
    """`never_publish` wins over `publish`."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    never_publish: tuple[str, ...] = ()


def gateway() -> Permissions:
    """Publishes requests of every route and receives their frames; writes keys, limits and usage. Creates no stream."""
    keys, limits, gateways = subjects.KEYS_BUCKET, subjects.LIMITS_BUCKET, subjects.GATEWAYS_BUCKET
    return Permissions(
        publish=(
            subjects.ALL_REQUESTS,
            # The place of a waiting request.
            f"{API}.CONSUMER.INFO.*.{subjects.CONSUMER}",
            # Withdraws a request whose client has gone.
            f"{API}.STREAM.MSG.DELETE.*",
            subjects.ALL_CONTROLS,
            subjects.ALL_FINDS,
            subjects.ALL_GATEWAY_REPORTS,
            # Replies to another gateway that looks for a stream or for counts.
            f"{subjects.GATEWAY_INBOX}.>",
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
            subjects.ALL_STREAM_DESCRIPTORS,
            subjects.ALL_STREAM_INPUTS,
            f"{API}.DIRECT.GET.{subjects.STREAMS}",
            f"{API}.DIRECT.GET.{subjects.STREAMS}.{subjects.ALL_STREAM_DESCRIPTORS}",
            f"{API}.DIRECT.GET.{subjects.STREAMS}.{subjects.ALL_STREAM_INPUTS}",
            # Deletes a stopped stream, and the oldest messages of a tenant over its bound, by their sizes.
            f"{API}.STREAM.PURGE.{subjects.STREAMS}",
            *_consume(subjects.STREAMS),
            f"{API}.CONSUMER.MSG.NEXT.{subjects.STREAMS}.*",
        ),
        never_publish=tuple(f"{API}.STREAM.MSG.DELETE.{stream}" for stream in FIXED_STREAMS),
        subscribe=(
            subjects.ALL_REPLIES,
            subjects.ALL_WORKER_HEARTBEATS,
            subjects.ALL_GATEWAY_HEARTBEATS,
            subjects.ALL_USAGE,
            subjects.ALL_FINDS,
            subjects.ALL_GATEWAY_REPORTS,
            f"{subjects.GATEWAY_INBOX}.>",
        ),
    )


def worker(namespace: str, route: str) -> Permissions:
    """Pulls its own route's queue and publishes to its own route's streams. Reads the whole catalogue."""
    queue = subjects.queue(namespace, route)
    return Permissions(
        publish=(
            f"{API}.CONSUMER.MSG.NEXT.{queue}.{subjects.CONSUMER}",
            f"$JS.ACK.{queue}.{subjects.CONSUMER}.>",
            subjects.route_replies(namespace, route),
            subjects.route_heartbeats(namespace, route),
            subjects.route_usage(namespace, route),
            # The stored row of its own route, before it is replaced.
            f"{API}.DIRECT.GET.{subjects.USAGE}.{subjects.route_usage(namespace, route)}",
            subjects.route_checkpoints(namespace, route),
            subjects.route_kept_frames(namespace, route),
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
    """Creates queues, buckets and streams, deletes queues only, and reads the catalogue only."""
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


def admin() -> Permissions:
    """Saves and restores streams, and what the `nats` program does with the streams; takes no part in a request."""
    return Permissions(
        publish=(f"{API}.>", "$JS.ACK.>", "$JS.FC.>", "$JS.SNAPSHOT.>"),
        subscribe=(f"{subjects.ADMIN_INBOX}.>", "_INBOX.>", "$JS.EVENT.>"),
    )


def _watch(bucket: str) -> Iterator[str]:
    """To watch a bucket as nats-py does: an ephemeral consumer that is created again when it misses a message."""
    stream = subjects.bucket_stream(bucket)
    yield from _consume(stream)
    yield f"$JS.FC.{stream}.>"


def _consume(stream: str) -> Iterator[str]:
    """All calls of an ephemeral consumer. Consumers of others have random names, and no role may list them."""
    yield f"{API}.STREAM.INFO.{stream}"
    yield f"{API}.CONSUMER.CREATE.{stream}"
    yield f"{API}.CONSUMER.INFO.{stream}.*"
    yield f"{API}.CONSUMER.DELETE.{stream}.*"
