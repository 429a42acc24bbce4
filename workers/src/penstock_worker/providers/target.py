"""A provider of the route, ready to be called."""

import asyncio
from collections.abc import Callable

from msgspec import Struct, field

from penstock_contract.route.provider import ProviderSpec
from penstock_worker.providers.answer_form import AnswerForms
from penstock_worker.providers.failure.redaction import Redaction
from penstock_worker.providers.provider import Provider


class Target(Struct, frozen=True):
    """`slots` is the provider's `maxInFlight`, None for no bound.

    `redaction` returns the values that the provider's messages must not show, with the credentials in use at that
    time. `forms` keeps the form in which each of its models answers.
    """

    spec: ProviderSpec
    provider: Provider
    slots: asyncio.Semaphore | None
    redaction: Callable[[], Redaction] = Redaction
    forms: AnswerForms = field(default_factory=AnswerForms)
