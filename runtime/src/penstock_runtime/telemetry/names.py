"""Every span, metric and attribute name, in one place because the GenAI conventions still move.

Source: open-telemetry/semantic-conventions-genai, schema 1.42 (all of gen_ai.* is "Development"), and the
messaging conventions. What they have no name for is `penstock.*`.
"""

from typing import Final

OPERATION: Final = "gen_ai.operation.name"
PROVIDER: Final = "gen_ai.provider.name"
REQUEST_MODEL: Final = "gen_ai.request.model"
FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
TIME_TO_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
TOKEN_TYPE: Final = "gen_ai.token.type"  # noqa: S105 - a name, not a secret
ERROR_TYPE: Final = "error.type"
SERVER_ADDRESS: Final = "server.address"

HTTP_METHOD: Final = "http.request.method"
HTTP_ROUTE: Final = "http.route"
HTTP_STATUS: Final = "http.response.status_code"

MESSAGING_SYSTEM: Final = "messaging.system"
MESSAGING_OPERATION: Final = "messaging.operation.type"
MESSAGING_DESTINATION: Final = "messaging.destination.name"
MESSAGING_ID: Final = "messaging.message.id"

ROUTE: Final = "penstock.route"
PROVIDER_IN_ROUTE: Final = "penstock.provider"
"""The route's own name of a provider, where `gen_ai.provider.name` is its kind."""
REQUEST_ID: Final = "penstock.request.id"
ATTEMPT: Final = "penstock.attempt"
QUEUE_WAIT: Final = "penstock.queue.wait"
"""Seconds from publish to pick-up: the autoscaling signal. An attribute of the worker's span, and a metric."""

METRIC_SERVER_DURATION: Final = "gen_ai.server.request.duration"
METRIC_TIME_TO_FIRST_TOKEN: Final = "gen_ai.server.time_to_first_token"  # noqa: S105
METRIC_TIME_PER_OUTPUT_TOKEN: Final = "gen_ai.server.time_per_output_token"  # noqa: S105
METRIC_CLIENT_DURATION: Final = "gen_ai.client.operation.duration"
METRIC_TOKEN_USAGE: Final = "gen_ai.client.token.usage"  # noqa: S105
METRIC_TOKENS: Final = "penstock.tokens"
METRIC_UPTIME: Final = "process.uptime"
METRIC_IN_FLIGHT: Final = "penstock.streams.in_flight"
METRIC_ERRORS: Final = "penstock.errors"
METRIC_COST: Final = "penstock.cost"
"""In the currency of the routes' prices, whichever that is."""
METRIC_USAGE_STORED: Final = "penstock.usage.stored"
METRIC_USAGE_STORED_MAX: Final = "penstock.usage.stored.max"

API_VERB: Final = "penstock.api.verb"
API_RESOURCE: Final = "penstock.api.resource"
API_CODE: Final = "penstock.api.code"
RESULT: Final = "penstock.result"
REASON: Final = "penstock.reason"
SERVED_NAMESPACE: Final = "penstock.namespace"
WORKER_STATE: Final = "penstock.worker.state"
REQUEST_STATE: Final = "penstock.request.state"

METRIC_OPERATOR_QUEUE: Final = "penstock.operator.queue.depth"
METRIC_OPERATOR_RECONCILE: Final = "penstock.operator.reconcile.duration"
METRIC_OPERATOR_API_CALLS: Final = "penstock.operator.api.calls"
METRIC_OPERATOR_WATCH_RESTARTS: Final = "penstock.operator.watch.restarts"
METRIC_OPERATOR_NAMESPACE_SERVED: Final = "penstock.operator.namespace.served"
METRIC_OPERATOR_LEADING: Final = "penstock.operator.leading"
METRIC_OPERATOR_LEASE_TRANSITIONS: Final = "penstock.operator.lease.transitions"
METRIC_ROUTE_WORKERS: Final = "penstock.route.workers"
METRIC_ROUTE_DEMAND: Final = "penstock.route.demand"
METRIC_SCALING_DECISIONS: Final = "penstock.scaling.decisions"

BUCKETS_DURATION: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
BUCKETS_FIRST_TOKEN: Final = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
)
BUCKETS_PER_TOKEN: Final = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
BUCKETS_TOKENS: Final = tuple(float(4**power) for power in range(14))
