"""Reads a provider's error body, in every shape that servers use, into names, messages and a field. Pure.

Nothing in it is required and nothing is checked: an odd type of one field hides no other field. Shapes: a nested
`{"error": {…}}`, a flat object, `{"error": "text"}`, FastAPI's `{"detail": …}`, `{"errors": […]}`, a list around any
of them, an error object as JSON text inside a message, one event of an event stream, XML, HTML and plain text.
What clients wrote (FastAPI's `input`, OpenRouter's `flagged_input`) is not read.
"""

import html
import json
import re
from collections.abc import Iterable, Mapping

from msgspec import Struct

DEPTH_MAX = 8
ITEMS_MAX = 16
TEXT_MAX = 8192

NAMES = ("code", "type", "status", "reason", "error_type", "errorType", "error_code", "errorCode", "__type", "Code")
MESSAGES = ("message", "Message", "msg", "error_message", "errorMessage", "status_msg", "error_description")
INNER = ("metadata", "error", "errors", "detail", "details", "innererror", "inner_error", "violations", "base_resp")
PARAMS = ("param", "parameter", "field", "loc")
OF_ANTHROPIC = frozenset({"type", "message"})
"""The keys of each error object of Anthropic's API; OpenAI's have some of `OF_OTHERS`, too."""
OF_OTHERS = frozenset({"code", "param", "status", "error", "object"})
NOT_NAMES = frozenset({"error", "string", "object"})
GENERIC = re.compile(
    r"(provider returned error|error|bad request|internal server error|unknown error)\.?", re.IGNORECASE
)
FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}(\[[0-9]{1,5}\]|\.[A-Za-z0-9_-]{1,64}){0,12}")
_EVENT = re.compile(r"^data:(.*)$", re.MULTILINE)
_CUT = re.compile(r'"message"\s*:\s*"((?:[^"\\]|\\.)*)"')
_XML = re.compile(r"<(Code|Message|code|message)>([^<]{1,8192})</\1>")
_TITLE = re.compile(r"<title[^>]*>([^<]{1,512})</title>", re.IGNORECASE)
_WAIT = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,9})?)s")


class ProviderErrorBody(Struct):
    """`names` are the values of codes, types and the like; `statuses` the numbers among them that are HTTP's.

    `param` is a path in the request; `wait_s` is Gemini's `retryDelay`; `fields` are the further ones of an Anthropic
    error object.
    """

    names: list[str]
    messages: list[str]
    statuses: list[int]
    param: str | None = None
    wait_s: float | None = None
    fields: dict[str, object] | None = None

    @property
    def message(self) -> str | None:
        """The most exact message: a relay's "Provider returned error" only where there is no other."""
        return next((text for text in self.messages if not GENERIC.fullmatch(text)), None) or next(
            iter(self.messages), None
        )


def read(body: bytes, headers: Mapping[str, str] | None = None) -> ProviderErrorBody:
    """Never raises; an empty or unreadable body has no names and no message."""
    found = ProviderErrorBody([], [], [])
    exception = (headers or {}).get("x-amzn-errortype")
    if exception:
        _name(exception, found)
    _text(body.decode("utf-8-sig", "replace"), found, 0)
    return found


def read_object(value: object) -> ProviderErrorBody:
    """As `read`, of JSON that is decoded already."""
    found = ProviderErrorBody([], [], [])
    _value(value, found, 0)
    return found


def _text(text: str, found: ProviderErrorBody, depth: int) -> None:
    text = text.strip()
    if not text:
        return
    if text[0] in '{["':
        try:
            _value(json.loads(text), found, depth + 1)
        except (ValueError, RecursionError):
            # Cut at the bound of an error body, or no JSON.
            if cut := _CUT.search(text):
                found.messages.append(_unescaped(cut[1]))
                return
        else:
            return
    if depth == 0 and (event := _EVENT.search(text)):
        _text(event[1], found, 1)
        return
    if text[0] == "<":
        _markup(text, found)
        return
    found.messages.append(text[:TEXT_MAX])


def _unescaped(text: str) -> str:
    try:
        return str(json.loads(f'"{text}"', strict=False))
    except ValueError:
        return text


def _markup(text: str, found: ProviderErrorBody) -> None:
    for tag, inner in _XML.findall(text[:65_536]):
        if tag.lower() == "code":
            _name(inner, found)
        else:
            found.messages.append(html.unescape(inner).strip())
    if not found.messages and (title := _TITLE.search(text)):
        found.messages.append(html.unescape(title[1]).strip())


def _value(value: object, found: ProviderErrorBody, depth: int) -> None:
    if depth > DEPTH_MAX:
        return
    if isinstance(value, str):
        _text(value, found, max(depth, 1))
    elif isinstance(value, list):
        for item in value[:ITEMS_MAX]:
            _value(item, found, depth + 1)
    elif isinstance(value, dict):
        _object(value, found, depth)


def _object(value: dict[str, object], found: ProviderErrorBody, depth: int) -> None:
    if found.fields is None and value.keys() >= OF_ANTHROPIC and value.keys().isdisjoint(OF_OTHERS):
        found.fields = {key: each for key, each in value.items() if key not in OF_ANTHROPIC} or None
    for key in NAMES:
        _name(value.get(key), found)
    if isinstance(error := value.get("error"), str):
        _name(error, found)
    for key in PARAMS:
        if found.param is None:
            found.param = _field(value.get(key))
    _gemini(value, found)
    # First, as it is more exact: OpenRouter's `metadata.raw` is the body of the provider behind it.
    for key in ("raw", *MESSAGES):
        _value(value.get(key), found, depth + 1)
    for key in INNER:
        inner = value.get(key)
        if key == "errors" and "success" in value and isinstance(inner, list):
            inner = [_cloudflare(item, found) for item in inner[:ITEMS_MAX]]
        _value(inner, found, depth + 1)


def _gemini(value: dict[str, object], found: ProviderErrorBody) -> None:
    """The parts of `details`: how long to wait, and whether a quota is a day's."""
    if isinstance(delay := value.get("retryDelay"), str) and (seconds := _WAIT.fullmatch(delay)):
        found.wait_s = float(seconds[1])
    if isinstance(quota := value.get("quotaId"), str) and "PerDay" in quota:
        found.names.append("quota per day")


def _cloudflare(item: object, found: ProviderErrorBody) -> object:
    """An entry of `errors` without its code, which is a number of Cloudflare's own, without a meaning elsewhere."""
    if not isinstance(item, dict):
        return item
    if isinstance(code := item.get("code"), int):
        found.names.append(f"cloudflare {code}")
    return {key: value for key, value in item.items() if key != "code"}


def _name(value: object, found: ProviderErrorBody) -> None:
    if isinstance(value, dict):
        values: Iterable[object] = list(value.values())[:ITEMS_MAX]
        for inner in values:
            if isinstance(inner, (str, int, float)):
                _name(inner, found)
        return
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return
    text = str(value).strip()[:256]
    number = text.removesuffix(".0")
    if number.isascii() and number.isdigit() and len(number) == 3:
        found.statuses.append(int(number))
    elif text and text.lower() not in NOT_NAMES:
        found.names.append(text)


def _field(value: object) -> str | None:
    """A path of the request, as OpenAI writes it; FastAPI's is a list that begins with `body`."""
    if isinstance(value, list):
        path = ""
        for index, part in enumerate(value[:ITEMS_MAX]):
            if index == 0 and part in ("body", "query"):
                continue
            if isinstance(part, int) and not isinstance(part, bool):
                path += f"[{part}]"
            elif isinstance(part, str):
                path += f".{part}" if path else part
        value = path
    if not isinstance(value, str) or not FIELD.fullmatch(value):
        return None
    return value
