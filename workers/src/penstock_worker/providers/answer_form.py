"""Form of a provider's answer: a stream, or a whole answer where the provider refuses streams. Pure.

OpenAI refuses streams of some models to organisations that are not verified (`param: stream`), and servers without
`stream_options` refuse that field. The request is sent again without the field, and the form that succeeded is kept.
"""

from typing import Final

import msgspec
from msgspec import Raw

from penstock_contract.request.json_body import Fields
from penstock_worker.providers.adapter import HttpRequest
from penstock_worker.providers.failure.provider_failure import StreamField
from penstock_worker.providers.provider import AnswerForm

KEPT_S: Final = 600.0
"""Afterwards a stream is requested again: an account may have been verified, a server replaced."""
MODELS_MAX: Final = 256
"""With `*` clients choose the models' names."""

_LACKS: Final[dict[AnswerForm, tuple[str, ...]]] = {
    "stream": (),
    "stream without options": ("stream_options",),
    "whole": ("stream", "stream_options"),
}
_fields = msgspec.json.Decoder(Fields).decode


def in_form(request: HttpRequest, form: AnswerForm) -> HttpRequest:
    """The request without the fields that the form lacks; every dialect answers in one piece without `stream`."""
    lacks = _LACKS[form]
    if not lacks:
        return request
    fields: dict[str, Raw] = {name: raw for name, raw in _fields(request.body).items() if name not in lacks}
    return HttpRequest(request.path, request.headers, msgspec.json.encode(fields))


class AnswerForms:
    """The form that each model of a provider accepted. Times are monotonic."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[AnswerForm, float]] = {}

    def of(self, model: str, now: float) -> AnswerForm:
        """The form to request: a stream, or the one that succeeded within `KEPT_S` after a stream was refused."""
        form, until = self._found.get(model, ("stream", now))
        if now < until:
            return form
        self._found.pop(model, None)
        return "stream"

    def served(self, model: str, form: AnswerForm, now: float) -> None:
        """Keep a form in which the provider has answered, unless it is a stream."""
        if form == "stream" or model in self._found:
            return
        if len(self._found) >= MODELS_MAX:
            del self._found[next(iter(self._found))]
        self._found[model] = form, now + KEPT_S


def next_form(form: AnswerForm, refused: StreamField | None) -> AnswerForm | None:
    """The form to request after the provider refused a field of `form`; None if there is no other."""
    if refused is None or form == "whole":
        return None
    return "stream without options" if refused == "stream_options" and form == "stream" else "whole"
