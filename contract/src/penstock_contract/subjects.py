"""Every NATS subject and stream name, built in one place.

Tokens are DNS labels (namespace, route) or ids that we made ourselves; nothing that a client typed becomes a token.
"""

import re
from typing import Annotated, Final

from msgspec import Meta

TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{1,63}")
Token = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,63}\Z")]
"""Values for subject tokens; checked on entry, because the broker would reject them too late."""
CATALOGUE_BUCKET: Final = "routes"
CATALOGUE_COMPLETE: Final = "complete"
"""The key of the catalogue's mark; a route's key has a dot."""
KEYS_BUCKET: Final = "keys"
ANONYMOUS_TENANT: Final = "anonymous"
USAGE: Final = "USAGE"
CHECKPOINTS: Final = "CHECKPOINTS"
GATEWAYS_BUCKET: Final = "gateways"
LIMITS_BUCKET: Final = "limits"
STREAMS: Final = "STREAMS"
"""The JetStream stream of what outlives a connection: descriptors and kept frames."""
CONSUMER: Final = "workers"
"""The one durable consumer of a route's queue."""


def _token(value: str) -> str:
    if not TOKEN.fullmatch(value):
        raise ValueError(f"not a subject token: {value!r}")
    return value


def request(namespace: str, route: str, tenant: str) -> str:
    return f"penstock.requests.{_token(namespace)}.{_token(route)}.{_token(tenant)}"


def request_filter(namespace: str, route: str) -> str:
    return f"penstock.requests.{_token(namespace)}.{_token(route)}.*"


ALL_REQUESTS: Final = "penstock.requests.*.*.*"


def queue(namespace: str, route: str) -> str:
    """Name of the route's JetStream work queue; `_` cannot occur in a DNS label, so the name is unambiguous."""
    return f"REQUESTS_{_token(namespace)}_{_token(route)}"


def reply(gateway: str, namespace: str, route: str) -> str:
    return f"penstock.replies.{_token(gateway)}.{_token(namespace)}.{_token(route)}"


def reply_filter(gateway: str) -> str:
    return f"penstock.replies.{_token(gateway)}.>"


def route_replies(namespace: str, route: str) -> str:
    """Replies of a route's workers to any gateway."""
    return f"penstock.replies.*.{_token(namespace)}.{_token(route)}"


ALL_REPLIES: Final = "penstock.replies.>"


def reply_route(subject: str) -> str:
    """`namespace.route` of a reply subject: a worker may publish only under its own."""
    return subject.split(".", 3)[3]


def control(namespace: str, route: str, worker: str) -> str:
    return f"penstock.control.{_token(namespace)}.{_token(route)}.{_token(worker)}"


def control_all(namespace: str, route: str) -> str:
    """Every worker of the route subscribes; for a stream whose worker is not known yet."""
    return f"penstock.control.{_token(namespace)}.{_token(route)}"


def route_controls(namespace: str, route: str) -> str:
    """The control subjects of the route's workers."""
    return f"{control_all(namespace, route)}.*"


ALL_CONTROLS: Final = "penstock.control.>"


def find_stream(tag: str) -> str:
    """Requests to the gateway with this tag, the beginning of its streams' ids; it replies with `FoundStream`."""
    return f"penstock.find.{_token(tag)}"


ALL_FINDS: Final = "penstock.find.*"


def stream_descriptor(tenant: str, stream_id: str) -> str:
    return f"penstock.streams.{_token(tenant)}.{_token(stream_id)}"


ALL_STREAM_DESCRIPTORS: Final = "penstock.streams.*.*"


def stream_input(tenant: str, stream_id: str) -> str:
    """The input of a stored response."""
    return f"penstock.inputs.{_token(tenant)}.{_token(stream_id)}"


def tenant_stream_inputs(tenant: str) -> str:
    return f"penstock.inputs.{_token(tenant)}.*"


ALL_STREAM_INPUTS: Final = "penstock.inputs.*.*"


def kept_frames(namespace: str, route: str, tenant: str, stream_id: str) -> str:
    return f"penstock.frames.{_token(namespace)}.{_token(route)}.{_token(tenant)}.{_token(stream_id)}"


def route_kept_frames(namespace: str, route: str) -> str:
    """The kept frames of every stream of the route."""
    return f"penstock.frames.{_token(namespace)}.{_token(route)}.*.*"


def tenant_kept_frames(tenant: str) -> str:
    """The kept frames of every stream of the tenant."""
    return f"penstock.frames.*.*.{_token(tenant)}.*"


ALL_KEPT_FRAMES: Final = "penstock.frames.*.*.*.*"


def worker_heartbeat(namespace: str, route: str, worker: str) -> str:
    return f"penstock.workers.{_token(namespace)}.{_token(route)}.{_token(worker)}"


def route_heartbeats(namespace: str, route: str) -> str:
    return f"penstock.workers.{_token(namespace)}.{_token(route)}.*"


ALL_WORKER_HEARTBEATS: Final = "penstock.workers.>"


def activation(namespace: str, route: str) -> str:
    return f"penstock.activations.{_token(namespace)}.{_token(route)}"


ALL_ACTIVATIONS: Final = "penstock.activations.>"


def route_key(subject: str) -> str:
    """The catalogue key in the subject of a worker's heartbeat or of an activation."""
    return ".".join(subject.split(".", 4)[2:4])


def gateway_heartbeat(gateway: str) -> str:
    return f"penstock.gateways.{_token(gateway)}"


ALL_GATEWAY_HEARTBEATS: Final = "penstock.gateways.*"


def usage(namespace: str, route: str, gateway: str, request_id: str) -> str:
    """The subject of the request's row: the stream keeps one message per subject."""
    return f"penstock.usage.{_token(namespace)}.{_token(route)}.{_token(gateway)}.{_token(request_id)}"


def usage_filter(gateway: str) -> str:
    """The rows of every request that came in by `gateway`."""
    return f"penstock.usage.*.*.{_token(gateway)}.*"


def route_usage(namespace: str, route: str) -> str:
    """The rows of every request to the route."""
    return f"penstock.usage.{_token(namespace)}.{_token(route)}.*.*"


ALL_USAGE: Final = "penstock.usage.>"


def checkpoint(namespace: str, route: str, worker: str) -> str:
    return f"penstock.checkpoints.{_token(namespace)}.{_token(route)}.{_token(worker)}"


def route_checkpoints(namespace: str, route: str) -> str:
    return f"penstock.checkpoints.{_token(namespace)}.{_token(route)}.*"


ALL_CHECKPOINTS: Final = "penstock.checkpoints.>"


def key_account(key_id: str) -> str:
    return f"key.{_token(key_id)}"


def route_account(namespace: str, route: str) -> str:
    return f"route.{_token(namespace)}.{_token(route)}"


def catalogue_key(namespace: str, route: str) -> str:
    return f"{_token(namespace)}.{_token(route)}"


GATEWAY_INBOX: Final = "_INBOX_gateway"
OPERATOR_INBOX: Final = "_INBOX_operator"


def worker_inbox(namespace: str, route: str) -> str:
    """Inbox prefix of a route's workers: its own, as a subscriber to it receives requests."""
    return f"_INBOX_worker.{_token(namespace)}.{_token(route)}"


def bucket_stream(bucket: str) -> str:
    """The JetStream stream behind a KV bucket."""
    return f"KV_{_token(bucket)}"


def bucket_entries(bucket: str) -> str:
    return f"$KV.{_token(bucket)}.>"
