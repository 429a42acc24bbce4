"""Calls the route's providers in turn until one answers. The only place of the product that retries a request.

Nothing is retried after a provider's first event.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from penstock_contract.catalogue import WILDCARD
from penstock_contract.errors import PenstockError
from penstock_contract.request.operations import CountTokensOperation, InferenceRequest
from penstock_contract.route.provider import ProviderSpec
from penstock_worker.providers.answer_form import next_form
from penstock_worker.providers.provider import AnswerForm, ConnectionStale
from penstock_worker.providers.target import Target
from penstock_worker.sessions.calls import retry_plan
from penstock_worker.sessions.calls.provider_call import ProviderCall
from penstock_worker.sessions.context import RouteVersion, WorkerContext
from penstock_worker.sessions.ownership import RequestOwnership
from penstock_worker.sessions.reply_stream import ReplyStream
from penstock_worker.sessions.usage import RequestUsage
from penstock_worker.telemetry import CallTelemetry


class Failover:
    """The provider calls of one request, one at a time; `call` is the current or last one."""

    def __init__(
        self,
        request: InferenceRequest,
        stream: ReplyStream,
        usage: RequestUsage,
        ownership: RequestOwnership,
        route: RouteVersion,
        context: WorkerContext,
    ) -> None:
        self.call: ProviderCall | None = None
        self._request = request
        self._stream = stream
        self._usage = usage
        self._ownership = ownership
        self._spec = route.spec
        self._targets = {target.spec.name: target for target in route.targets}
        self._breaker = route.breaker
        self._clock = context.clock
        self._draw = context.draw
        self._telemetry = context.telemetry
        self._sockets = context.sockets
        self._deadline = self._clock.monotonic() + request.timeout_s

    async def run(self) -> None:
        """Return after an answer, or after one that broke off. Raises the last failure if no provider answered."""
        error = PenstockError("provider_unavailable", "no provider is configured")
        ordered = retry_plan.order([target.spec for target in self._targets.values()], self._draw)
        ordered = self._breaker.order(ordered, self._clock.monotonic())
        plan = retry_plan.RetryPlan(ordered, self._spec.routing.retries, self._draw)
        while (choice := plan.next(self._clock.monotonic())) is not None and choice.wait_s < self._left_s():
            await asyncio.sleep(choice.wait_s)
            self._breaker.begin_try(choice.provider, self._clock.monotonic())
            try:
                await self._try(self._targets[choice.provider.name])
            except ConnectionStale:
                self._usage.record_refusal()
                continue
            except asyncio.CancelledError:
                # Stopped without a result: the next request may probe the provider.
                self._breaker.release_probe(choice.provider)
                raise
            except PenstockError as failed:
                error = failed
                if self.call is not None and self.call.refused:
                    self._usage.record_refusal()
                self._record_failure(choice.provider, error)
                verdict = plan.record_failure(choice.provider, error.detail, self._clock.monotonic())
                if verdict is retry_plan.Verdict.GIVE_UP:
                    break
            else:
                return
        raise error

    def abort(self) -> None:
        """Close the provider's connection, if a call is open."""
        if self.call is not None:
            self.call.abort()

    def check_time(self, now: float) -> None:
        """End the answer when a limit has passed; `now` is event-loop time."""
        call = self.call
        if call is None or (active_at := call.active_at) is None:
            return
        if now - active_at > self._spec.limits.idle_timeout_seconds:
            error = PenstockError("idle_timeout", "the provider sent nothing for too long in the middle of its answer")
        elif self._clock.monotonic() >= self._deadline:
            error = PenstockError("request_timeout", "the request exceeded its timeout")
        else:
            return
        call.abort()
        call.on_failure(error)

    def _record_failure(self, provider: ProviderSpec, error: PenstockError) -> None:
        unconfigured = error.code == "provider_model_not_found" and not self._configured(provider)
        if unconfigured or isinstance(self._request.operation, CountTokensOperation):
            # The model's name is the client's own, or only the counting of tokens failed, which many servers lack: the
            # failure shows nothing about the provider's state.
            self._breaker.release_probe(provider)
        else:
            self._breaker.record_failure(provider, error.detail, self._clock.monotonic())

    async def _try(self, target: Target) -> None:
        async with self._slot(target):
            model = target.spec.own_name(self._request.model)
            form: AnswerForm | None = target.forms.of(model, self._clock.monotonic())
            while form is not None:
                form = await self._call(target, model, form)

    async def _call(self, target: Target, model: str, form: AnswerForm) -> AnswerForm | None:
        """One call. Returns the form to request next if the provider refuses `form`, None after an answer."""
        self._usage.begin_call(target.spec)
        show = self._spec.error_messages == "Show"
        call = self.call = ProviderCall(self._stream, target, self._sockets, self._usage.unanswered, show_messages=show)
        provider_name = target.provider.provider_name
        label = model if self._configured(target.spec) else WILDCARD
        telemetry = self._telemetry.call(self._request, target.spec, provider_name, model, label)
        try:
            await self._first_event(target, model, call, telemetry, form)
            self._breaker.record_success(target.spec)
            target.forms.served(model, form, self._clock.monotonic())
            self._usage.record_first_event()
            self._ownership.confirm(self._release)
            # Shielded: a cancelled `done` would look like a whole answer, and the call would continue.
            await asyncio.shield(call.done)
        except PenstockError:
            other = next_form(form, call.refused_field) if call.refused else None
            if other is None:
                raise
            self._usage.record_refusal()
            return other
        finally:
            call.abort()
            message = call.provider_message if self._spec.error_messages_in_log else None
            telemetry.end(
                call.error,
                call.usage,
                call.finished,
                reason=call.reason,
                status=call.provider_status,
                provider_message=message,
            )
        return None

    def _release(self) -> None:
        """End the call without an event: another delivery serves the request."""
        if self.call is not None:
            self.call.abort()
            self.call.finish()

    def _configured(self, provider: ProviderSpec) -> bool:
        """True if the model sent to the provider is named by the route, and not by the client alone."""
        model = self._request.model
        named = provider.model is not None or model in provider.models
        return named or any(claim.name == model for claim in self._spec.models)

    @contextlib.asynccontextmanager
    async def _slot(self, target: Target) -> AsyncIterator[None]:
        """Hold one of the provider's `maxInFlight` slots; waits for it until the request's deadline."""
        if target.slots is None:
            yield
            return
        try:
            async with asyncio.timeout(self._left_s()):
                await target.slots.acquire()
        except TimeoutError as error:
            raise PenstockError(
                "request_timeout", "the provider had no free slot in time: send the request again"
            ) from error
        try:
            yield
        finally:
            target.slots.release()

    async def _first_event(
        self, target: Target, model: str, call: ProviderCall, telemetry: CallTelemetry, form: AnswerForm
    ) -> None:
        """Send the request and wait for the first event."""
        try:
            async with asyncio.timeout(self._first_event_timeout_s(target.spec, form)):
                with self._sockets.connecting():
                    handle = await target.provider.open(
                        self._request.operation,
                        model,
                        call,
                        connect_timeout_s=self._spec.limits.connect_timeout_seconds,
                        headers=telemetry.headers,
                        form=form,
                    )
                call.opened(handle)
                self._usage.record_sent()
                await call.first
        except TimeoutError as error:
            if call.began:
                # The event came in the same iteration of the loop, and is on its way to the client.
                telemetry.first_event()
                return
            late = PenstockError("first_token_timeout", "the provider sent no first token in time")
            call.error = late.detail
            raise late from error
        except PenstockError as error:
            # `on_failure` has recorded its error; an error raised by `open` is recorded here.
            if call.error is None:
                call.record_failure(error)
            raise
        telemetry.first_event()

    def _first_event_timeout_s(self, provider: ProviderSpec, form: AnswerForm) -> float:
        if form == "whole":
            # The first event of a whole answer comes at its end: only the request's own timeout applies.
            return self._left_s()
        first_s = provider.first_token_timeout_seconds or self._spec.limits.first_token_timeout_seconds
        return min(first_s, self._left_s())

    def _left_s(self) -> float:
        return max(0.0, self._deadline - self._clock.monotonic())
