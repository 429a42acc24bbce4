"""Metrics, spans and log of a worker: two spans per request, few metrics and a log line per call, nothing per token.

The span `process` lasts from the delivery to the end of the session, `chat <model>` is one call to one provider.
"""

import contextlib
from collections.abc import Iterator
from urllib.parse import urlsplit

import structlog
from opentelemetry.trace import Span, SpanKind, StatusCode

from penstock_broker.queue import Delivery
from penstock_contract.errors import ErrorDetail, PenstockError
from penstock_contract.request.operations import (
    ChatOperation,
    CountTokensOperation,
    EmbeddingsOperation,
    InferenceRequest,
    MessagesOperation,
)
from penstock_contract.route.provider import ProviderSpec
from penstock_contract.stream.events import Finished, UsageReported
from penstock_runtime.clock import Clock
from penstock_runtime.telemetry import names
from penstock_runtime.telemetry.propagation import trace_context, trace_headers
from penstock_runtime.telemetry.setup import Telemetry

OPERATION_NAMES = {
    ChatOperation: "chat",
    MessagesOperation: "chat",
    CountTokensOperation: "count_tokens",
    EmbeddingsOperation: "embeddings",
}
"""OpenTelemetry's `gen_ai.operation.name`, and a name of our own where it has none."""

log = structlog.get_logger("penstock.worker")


class CallTelemetry:
    """Telemetry of one provider call; `headers` carry the trace context to the provider.

    Attributes and labels are made at the end: before the first token they would cost time.
    """

    def __init__(
        self,
        worker: "WorkerTelemetry",
        request: InferenceRequest,
        provider: ProviderSpec,
        provider_name: str,
        model: str,
        model_label: str,
    ) -> None:
        self._worker = worker
        self._request = request
        self._provider = provider
        self._provider_name = provider_name
        self._model = model
        self._model_label = model_label
        self._operation = OPERATION_NAMES[type(request.operation)]
        self._span = worker.start_call(self._operation, model)
        self._began = worker.clock.monotonic()
        self._first_s: float | None = None
        self.headers = trace_headers(self._span)

    def first_event(self) -> None:
        self._first_s = self._worker.clock.monotonic() - self._began

    def end(
        self,
        error: ErrorDetail | None,
        usage: UsageReported | None,
        finished: Finished | None,
        *,
        reason: str | None = None,
        status: int | None = None,
        provider_message: str | None = None,
    ) -> None:
        """Record the end of the call; a call without error and finish was stopped by its client.

        `reason` is one of a few constants, `status` that of the provider's response. `provider_message` is the
        provider's own message, redacted, if the route allows it in the log; it is in no span and no metric.
        """
        code = error.code if error is not None else ("cancelled" if finished is None else None)
        duration_s = self._worker.clock.monotonic() - self._began
        self._end_span(code, usage, finished)
        labels = {
            names.OPERATION: self._operation,
            names.PROVIDER: self._provider_name,
            names.REQUEST_MODEL: self._model_label,
            names.ROUTE: self._worker.route,
            names.PROVIDER_IN_ROUTE: self._provider.name,
        }
        self._worker.duration.record(duration_s, labels if code is None else {**labels, names.ERROR_TYPE: code})
        if usage is not None:
            self._worker.tokens.record(usage.input_tokens, {**labels, names.TOKEN_TYPE: "input"})
            self._worker.tokens.record(usage.output_tokens, {**labels, names.TOKEN_TYPE: "output"})
        # The gateway logs one line per request; a failed call is worth a second.
        write = log.warning if error is not None else log.info if code is not None else log.debug
        write(
            "worker.call_ended",
            request_id=self._request.id,
            provider=self._provider.name,
            type=self._provider_name,
            model=self._model_label,
            code=code,
            reason=reason,
            status=status,
            **({} if provider_message is None else {"provider_message": provider_message}),
            retry_after_s=None if error is None else error.retry_after_s,
            first_event_s=None if self._first_s is None else round(self._first_s, 4),
            duration_s=round(duration_s, 4),
            input_tokens=usage.input_tokens if usage else None,
            output_tokens=usage.output_tokens if usage else None,
        )

    def _end_span(self, code: str | None, usage: UsageReported | None, finished: Finished | None) -> None:
        attributes: dict[str, str | int | float | list[str]] = {
            names.OPERATION: self._operation,
            names.PROVIDER: self._provider_name,
            names.REQUEST_MODEL: self._model,
            names.SERVER_ADDRESS: urlsplit(self._provider.base_url or "").hostname or "",
            names.REQUEST_ID: self._request.id,
        }
        if self._first_s is not None:
            attributes[names.TIME_TO_FIRST_CHUNK] = self._first_s
        if code is not None:
            attributes[names.ERROR_TYPE] = code
            self._span.set_status(StatusCode.ERROR)
        if finished is not None:
            attributes[names.FINISH_REASONS] = [finished.reason]
        if usage is not None:
            attributes[names.INPUT_TOKENS] = usage.input_tokens
            attributes[names.OUTPUT_TOKENS] = usage.output_tokens
        self._span.set_attributes(attributes)
        self._span.end()


class WorkerTelemetry:
    """One per worker; its instruments do nothing when telemetry is off."""

    def __init__(self, telemetry: Telemetry, clock: Clock, route: str, queue: str) -> None:
        self.clock = clock
        self._tracer = telemetry.tracer
        self.route = route
        self._queue = queue
        self._process = f"process {queue}"
        self.duration = telemetry.meter.create_histogram(
            names.METRIC_CLIENT_DURATION,
            unit="s",
            description="Duration of one call to a provider",
            explicit_bucket_boundaries_advisory=names.BUCKETS_DURATION,
        )
        self.tokens = telemetry.meter.create_histogram(
            names.METRIC_TOKEN_USAGE,
            unit="{token}",
            description="Tokens of one call by `gen_ai.token.type`, as the provider counted them",
            explicit_bucket_boundaries_advisory=names.BUCKETS_TOKENS,
        )

    @contextlib.contextmanager
    def request(self, request: InferenceRequest, delivery: Delivery, queued_s: float) -> Iterator[None]:
        with self._tracer.start_as_current_span(
            self._process,
            context=trace_context(delivery.headers),
            kind=SpanKind.CONSUMER,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            except Exception as error:
                # The type only: an exception's message may contain the prompt.
                code = error.code if isinstance(error, PenstockError) else "internal_error"
                span.set_attribute(names.ERROR_TYPE, code)
                span.set_status(StatusCode.ERROR)
                raise
            finally:
                span.set_attributes(
                    {
                        names.MESSAGING_SYSTEM: "nats",
                        names.MESSAGING_OPERATION: "process",
                        names.MESSAGING_DESTINATION: self._queue,
                        names.MESSAGING_ID: request.id,
                        names.REQUEST_ID: request.id,
                        names.ROUTE: self.route,
                        names.ATTEMPT: delivery.delivered,
                        names.QUEUE_WAIT: queued_s,
                    }
                )

    def call(
        self, request: InferenceRequest, provider: ProviderSpec, provider_name: str, model: str, model_label: str
    ) -> "CallTelemetry":
        """Call its `end`. `model` is sent to the provider and may be chosen by the client.

        `model_label` is from the catalogue, `provider_name` OpenTelemetry's `gen_ai.provider.name`.
        """
        return CallTelemetry(self, request, provider, provider_name, model, model_label)

    def start_call(self, operation: str, model: str) -> Span:
        return self._tracer.start_span(
            f"{operation} {model}", kind=SpanKind.CLIENT, record_exception=False, set_status_on_exception=False
        )
