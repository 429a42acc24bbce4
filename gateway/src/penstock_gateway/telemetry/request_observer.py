"""Records metrics and one log line when a stream has ended. Nothing is recorded per token."""

import http
from collections.abc import Callable, Iterable, Iterator

import structlog
from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.trace import StatusCode

from penstock_contract.catalogue import Resolution
from penstock_contract.error_codes import ERRORS
from penstock_contract.usage.record import UsageRow
from penstock_gateway.telemetry.observable_counter import ObservableCounter
from penstock_gateway.telemetry.stream_record import StreamRecord
from penstock_runtime.telemetry import names
from penstock_runtime.telemetry.current_span import current_span

SERVER_FAULTS = (
    *(code for code, kind in ERRORS.items() if kind.status >= http.HTTPStatus.INTERNAL_SERVER_ERROR),
    "queue_full",
    "provider_rate_limited",
)
"""Codes that are counted from 0 for each route; all others only without a route."""

log = structlog.get_logger("penstock.gateway")


class RequestObserver:
    """`model` labels are names from the catalogue, never text of a client: their number is bounded.

    `routes` are the keys of the catalogue's routes, read in the exporter's thread.
    """

    def __init__(self, meter: Meter, routes: Callable[[], Iterable[str]] = tuple) -> None:
        self._routes = routes
        self._in_flight = 0
        self._duration = meter.create_histogram(
            names.METRIC_SERVER_DURATION,
            unit="s",
            description="Time from a request's arrival to its last byte; with an error by its code",
            explicit_bucket_boundaries_advisory=names.BUCKETS_DURATION,
        )
        self._first_token = meter.create_histogram(
            names.METRIC_TIME_TO_FIRST_TOKEN,
            unit="s",
            description="Time from a request's arrival to its first token",
            explicit_bucket_boundaries_advisory=names.BUCKETS_FIRST_TOKEN,
        )
        self._per_token = meter.create_histogram(
            names.METRIC_TIME_PER_OUTPUT_TOKEN,
            unit="s",
            description="Mean time between two pieces of one answer",
            explicit_bucket_boundaries_advisory=names.BUCKETS_PER_TOKEN,
        )
        self._queue_wait = meter.create_histogram(
            names.QUEUE_WAIT,
            unit="s",
            description="Time from publication to pick-up by a worker",
            explicit_bucket_boundaries_advisory=names.BUCKETS_FIRST_TOKEN,
        )
        self._tokens = ObservableCounter(
            meter, names.METRIC_TOKENS, unit="{token}", description="Tokens by `gen_ai.token.type`: input or output"
        )
        self._cost = ObservableCounter(
            meter, names.METRIC_COST, description="Cost of requests in the currency of the prices, by provider"
        )
        self._errors = ObservableCounter(
            meter,
            names.METRIC_ERRORS,
            unit="{error}",
            description="Failed requests by error code (`error.type`) and route, which is empty where none is known",
            known=self._known_errors,
        )
        meter.create_observable_gauge(
            names.METRIC_IN_FLIGHT, [self._observe_in_flight], unit="{stream}", description="Open streams"
        )

    def stream_opened(self) -> None:
        self._in_flight += 1

    def stream_ended(
        self, stream: StreamRecord, resolution: Resolution, now: float, *, answered_as_stream: bool
    ) -> None:
        """Record the end of a stream.

        With `answered_as_stream` the client has received a 200. Otherwise an error becomes a status, which
        `request_rejected` counts.
        """
        self._in_flight -= 1
        labels = {names.ROUTE: resolution.entry.key, names.REQUEST_MODEL: resolution.model_label}
        duration_s = now - stream.opened_at
        code = stream.error.code if stream.error is not None else None
        server_error = code is not None and ERRORS[code].status >= http.HTTPStatus.INTERNAL_SERVER_ERROR
        self._duration.record(duration_s, labels if code is None else {**labels, names.ERROR_TYPE: code})
        if code is not None and answered_as_stream:
            self._errors.add(1, {names.ERROR_TYPE: code, names.ROUTE: resolution.entry.key})
            if server_error:
                current_span().set_status(StatusCode.ERROR)
        if stream.queued_s is not None:
            self._queue_wait.record(stream.queued_s, labels)
        first_token_s = stream.first_token_s
        if first_token_s is not None and stream.first_delta_at is not None:
            self._first_token.record(first_token_s, labels)
            if stream.deltas > 1:
                per_token_s = (stream.last_event_at - stream.first_delta_at) / (stream.deltas - 1)
                self._per_token.record(per_token_s, labels)
        if stream.usage is not None:
            self._tokens.add(stream.usage.input_tokens, {**labels, names.TOKEN_TYPE: "input"})
            self._tokens.add(stream.usage.output_tokens, {**labels, names.TOKEN_TYPE: "output"})
        if code is not None:
            current_span().set_attribute(names.ERROR_TYPE, code)
        write = log.warning if server_error else log.info
        write(
            "gateway.request_ended",
            request_id=stream.request_id,
            key_id=stream.tenant,
            route=resolution.entry.key,
            model=resolution.model_label,
            provider=stream.provider,
            worker=stream.worker,
            attempt=stream.attempt,
            code=code,
            queued_s=None if stream.queued_s is None else round(stream.queued_s, 4),
            first_token_s=None if first_token_s is None else round(first_token_s, 4),
            duration_s=round(duration_s, 4),
            input_tokens=stream.usage.input_tokens if stream.usage else None,
            output_tokens=stream.usage.output_tokens if stream.usage else None,
        )

    def request_closed(self, row: UsageRow, resolution: Resolution) -> None:
        """Add the cost of a request whose final usage record is known."""
        if row.provider and (cost := float(row.cost)):
            labels = {names.ROUTE: row.route, names.REQUEST_MODEL: resolution.model_label}
            self._cost.add(cost, {**labels, names.PROVIDER_IN_ROUTE: row.provider})

    def request_rejected(self, code: str, route: str = "") -> None:
        """Count a request that was answered with an error status."""
        self._errors.add(1, {names.ERROR_TYPE: code, names.ROUTE: route})

    def _known_errors(self) -> Iterator[dict[str, str]]:
        for code in ERRORS:
            yield {names.ERROR_TYPE: code, names.ROUTE: ""}
        for route in self._routes():
            for code in SERVER_FAULTS:
                yield {names.ERROR_TYPE: code, names.ROUTE: route}

    def _observe_in_flight(self, _options: CallbackOptions) -> list[Observation]:
        return [Observation(self._in_flight)]
