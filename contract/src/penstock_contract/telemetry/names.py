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
METRIC_IN_FLIGHT: Final = "penstock.streams.in_flight"
METRIC_ERRORS: Final = "penstock.errors"

BUCKETS_DURATION: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
BUCKETS_FIRST_TOKEN: Final = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
)
BUCKETS_PER_TOKEN: Final = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
BUCKETS_TOKENS: Final = tuple(float(4**power) for power in range(14))
