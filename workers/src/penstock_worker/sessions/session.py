"""One request in a worker's hands, from the delivery to the last event.

1. Is it still wanted? (too many deliveries, begun by a worker that had it before)
2. Say `Accepted`: a slot is held.
3. Call providers in the order that `routing` gives, until one says its first event. Only here anything is retried.
4. Open its usage row, then ack, each until the broker has confirmed it: from now on a death of this worker is reported,
   never silently run again - a second generation costs money. If the row is a later delivery's by now, this worker
   stood still for too long: its call is ended, and the request is the other's.
5. Events go out in callbacks until the end, and do not wait for the broker's word.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence

import structlog

from penstock_broker.queue import Delivery
from penstock_contract.catalogue import WILDCARD
from penstock_contract.errors import ErrorDetail, PenstockError
from penstock_contract.request.operations import InferenceRequest
from penstock_contract.route.spec import LimitsSpec, ModelRouteSpec, ProviderSpec
from penstock_contract.stream.events import Accepted
from penstock_runtime.cancellation import cancel_and_wait
from penstock_runtime.clock import Clock
from penstock_worker.providers.provider import AnswerForm, Call, ConnectionStale
from penstock_worker.providers.streaming import next_form
from penstock_worker.sessions import routing
from penstock_worker.sessions.provider_call import Attempt, Target
from penstock_worker.sessions.reply_stream import OutgoingStream
from penstock_worker.sessions.usage import RequestUsage
from penstock_worker.telemetry import CallObservation, Observer

DELIVERIES_MAX = 3
"""A request that was in the hands of this many workers that died is not given to another."""

CONFIRM_AGAIN_S = 0.5
CONFIRM_AGAIN_MAX_S = 8.0
"""The pause after each confirmation that failed doubles up to this: a lost queue confirms nothing any more."""
CONFIRM_LATE_S = 2.0
"""How long a session whose answer is whole waits for the broker's word."""

log = structlog.get_logger("penstock.worker")


class Session:
    """Owned by the worker, which starts `run` as a task and cancels it to stop the stream.

    `served_by` is another delivery whose worker serves the request; then it is not ours to close or to take back.
    """

    def __init__(
        self,
        request: InferenceRequest,
        delivery: Delivery,
        stream: OutgoingStream,
        spec: ModelRouteSpec,
        targets: Sequence[Target],
        *,
        worker: str,
        incarnation: int,
        clock: Clock,
        draw: Callable[[], float],
        observer: Observer,
        health: routing.Health,
        usage: RequestUsage,
    ) -> None:
        self.request = request
        self.usage = usage
        self.stream = stream
        self.waiting_for_ack = True
        self.served_by = 0
        self._delivery = delivery
        self._spec = spec
        self._targets = {target.spec.name: target for target in targets}
        self._worker = worker
        self._incarnation = incarnation
        self._clock = clock
        self._deadline = clock.monotonic() + request.timeout_s
        self._draw = draw
        self._observer = observer
        self._health = health
        self._attempt: Attempt | None = None
        self._call: Call | None = None
        self._confirming: asyncio.Task[None] | None = None
        self._over = False

    async def run(self) -> None:
        queued_s = self.request.queued_s(self._clock.unix())
        try:
            if await self._begun_elsewhere():
                # A gateway that hears that worker does not hear this; if none does, it has died.
                raise PenstockError("worker_lost", "the worker that served this request died")  # noqa: TRY301
            if self.usage.stopped is not None:
                return  # nats-py may have swallowed the cancellation
            self.stream.emit(Accepted(self._worker, queued_s, self._incarnation))
            if self._delivery.delivered > DELIVERIES_MAX:
                raise PenstockError("worker_lost", "the workers that took this request died")  # noqa: TRY301
            with self._observer.request(self.request, self._delivery, queued_s):
                await self._serve()
            await self._confirmed()
        except PenstockError as error:
            self.stream.fail(error.detail)
        except Exception:
            # The root of this request's task: its client gets an end, the worker goes on.
            log.exception("worker.request_failed", request_id=self.request.id)
            self.stream.fail(ErrorDetail("internal_error", "internal error"))
        finally:
            await self._close()

    async def keep(self) -> None:
        """Restart the ack timer while the provider has not answered, or the broker not confirmed the ack."""
        if self.waiting_for_ack:
            await self._delivery.in_progress()

    def end(self, error: ErrorDetail) -> None:
        """Say `error` as the stream's end; whoever owns the session cancels it."""
        # First, as a provider that speaks after the end would be an error of ours.
        self._abort_call()
        self.stream.fail(error)

    def check_time(self, now: float) -> None:
        """End the stream when a limit has passed; `now` is event-loop time. Called by the worker's ticker."""
        attempt, call = self._attempt, self._call
        if attempt is None or call is None or not attempt.first.done() or attempt.done.done():
            return
        limits = self._spec.limits
        if now - call.active_at > limits.idle_timeout_seconds:
            self._end(attempt, PenstockError("idle_timeout", "the provider stopped in the middle of its answer"))
        elif self._clock.monotonic() >= self._deadline:
            self._end(attempt, PenstockError("request_timeout", "the request took longer than it may"))

    async def _close(self) -> None:
        """Write the last row and take the request out of the queue, whatever the end was."""
        self._abort_call()
        self._over = True
        if self._confirming is not None:
            self._confirming.cancel()
        if not self.served_by:
            if self._attempt is None:
                self.usage.ended(None, None)
            else:
                self.usage.ended(self._attempt.usage, self._attempt.finished)
        # A later delivery is another worker's: it may need it again if that one dies.
        if self.waiting_for_ack and self.served_by <= self._delivery.delivered:
            await self._delivery.discard()
        if self._confirming is not None:
            await cancel_and_wait(self._confirming)

    async def _begun_elsewhere(self) -> bool:
        """Whether a worker that had the request before got as far as its provider's first event."""
        if self._delivery.delivered > 1:
            # While the broker does not say it is served: only where an ack was lost would that be a second time.
            with contextlib.suppress(PenstockError):
                self.served_by = await self.usage.begun_elsewhere()
        return self.served_by != 0

    async def _confirm(self, attempt: Attempt) -> None:
        """Open the row until the broker has it, then ack until the broker has confirmed that. Writes the row once."""
        is_open, pause_s = False, CONFIRM_AGAIN_S
        while not self._over:
            try:
                if not is_open:
                    self.served_by = await self.usage.claim()
                    is_open = True
                if self.served_by:
                    log.warning("worker.request_served_elsewhere", request_id=self.request.id)
                    self._abort_call()
                    if not attempt.done.done():
                        attempt.done.set_result(None)
                    return
                if not self._over:
                    await self._delivery.ack()
            except PenstockError:
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, CONFIRM_AGAIN_MAX_S)
            else:
                self.waiting_for_ack = False
                return

    async def _confirmed(self) -> None:
        if self._confirming is not None:
            await asyncio.wait([self._confirming], timeout=CONFIRM_LATE_S)
            if self._confirming.done():
                self._confirming.result()

    def _end(self, attempt: Attempt, error: PenstockError) -> None:
        self._abort_call()
        attempt.failed(error)

    async def _serve(self) -> None:
        error = PenstockError("provider_unavailable", "no provider is configured")
        ordered = routing.order([target.spec for target in self._targets.values()], self._draw)
        ordered = self._health.order(ordered, self._clock.monotonic())
        candidates = routing.Candidates(ordered, self._spec.routing.retries, self._draw)
        while (choice := candidates.next(self._clock.monotonic())) is not None and choice.wait_s < self._left_s():
            await asyncio.sleep(choice.wait_s)
            self._health.trying(choice.provider, self._clock.monotonic())
            try:
                await self._try(self._targets[choice.provider.name])
            except ConnectionStale:
                self.usage.refused()
                continue
            except asyncio.CancelledError:
                # Stopped before it found out anything: the next request may.
                self._health.released(choice.provider)
                raise
            except PenstockError as failed:
                error = failed
                if self._attempt is not None and self._attempt.refused:
                    self.usage.refused()
                if error.code == "provider_model_not_found" and not self._configured(choice.provider):
                    # The client's own name: it says nothing about the provider's state.
                    self._health.released(choice.provider)
                else:
                    self._health.failed(choice.provider, error.detail, self._clock.monotonic())
                if candidates.failed(choice.provider, error.detail, self._clock.monotonic()) is routing.Verdict.GIVE_UP:
                    break
            else:
                return
        raise error

    async def _try(self, target: Target) -> None:
        async with self._place(target):
            model = target.spec.own_name(self.request.model)
            form: AnswerForm | None = target.forms.of(model, self._clock.monotonic())
            while form is not None:
                form = await self._ask(target, model, form)

    async def _ask(self, target: Target, model: str, form: AnswerForm) -> AnswerForm | None:
        """One call; the form to ask in now if the provider refuses `form`, None after an answer."""
        show = self._spec.error_messages == "Show"
        self.usage.calling(target.spec)
        attempt = self._attempt = Attempt(self.stream, target, self.usage.unanswered, show=show)
        provider_name = target.provider.provider_name
        label = model if self._configured(target.spec) else WILDCARD
        with self._observer.call(self.request, target.spec, provider_name, model, label) as observation:
            try:
                await self._first_event(target, model, attempt, observation, form)
                self._health.succeeded(target.spec)
                target.forms.served(model, form, self._clock.monotonic())
                self.usage.began()
                self._confirming = asyncio.create_task(self._confirm(attempt))
                # Shielded: a cancelled `done` would look like an answer that is whole, and its call go on.
                await asyncio.shield(attempt.done)
            except PenstockError:
                other = next_form(form, attempt.refused_field) if attempt.refused else None
                if other is None:
                    raise
                self.usage.refused()
                return other
            finally:
                self._abort_call()
                said = attempt.said if self._spec.error_messages_in_log else None
                observation.end(attempt.error, attempt.usage, attempt.finished, reason=attempt.reason, said=said)
        return None

    def _configured(self, provider: ProviderSpec) -> bool:
        """Whether the route names the model that the provider is asked for, and not the client alone."""
        asked = self.request.model
        named = provider.model is not None or asked in provider.models
        return named or any(claim.name == asked for claim in self._spec.models)

    @contextlib.asynccontextmanager
    async def _place(self, target: Target) -> AsyncIterator[None]:
        """One of the provider's `maxInFlight` calls; waited for until the deadline."""
        if target.slots is None:
            yield
            return
        try:
            async with asyncio.timeout(self._left_s()):
                await target.slots.acquire()
        except TimeoutError as error:
            raise PenstockError("request_timeout", "the provider had no free place in time") from error
        try:
            yield
        finally:
            target.slots.release()

    async def _first_event(
        self, target: Target, model: str, attempt: Attempt, observation: CallObservation, form: AnswerForm
    ) -> None:
        limits: LimitsSpec = self._spec.limits
        timeout_s = self._left_s()
        if form != "whole":
            # A whole answer has its first event at its end: only the request's own time bounds it.
            first_s = target.spec.first_token_timeout_seconds or limits.first_token_timeout_seconds
            timeout_s = min(first_s, timeout_s)
        try:
            async with asyncio.timeout(timeout_s):
                self._call = await target.provider.open(
                    self.request.operation,
                    model,
                    attempt,
                    connect_timeout_s=limits.connect_timeout_seconds,
                    headers=observation.headers,
                    form=form,
                )
                self.usage.sent()
                await attempt.first
        except TimeoutError as error:
            if attempt.began:
                # It came in the same moment: what is said cannot be taken back.
                observation.first_event()
                return
            late = PenstockError("first_token_timeout", "the provider's first token came too late")
            attempt.error = late.detail
            raise late from error
        except PenstockError as error:
            # One of the attempt's own has been kept; one of `open` has not.
            if attempt.error is None:
                attempt.keep(error)
            raise
        observation.first_event()

    def _abort_call(self) -> None:
        call, self._call = self._call, None
        attempt = self._attempt
        if call is not None and attempt is not None and not (attempt.over or attempt.done.done()):
            call.abort()

    def _left_s(self) -> float:
        return max(0.0, self._deadline - self._clock.monotonic())
