"""A conversation as Vercel's AI SDK sends it (`useChat`): messages of parts, in the wire's spelling.

One Struct has the fields of all parts, because the type of a tool's part is `tool-<name>`: no tagged union has such a
tag. Unknown fields of messages and parts are the page's own, and are not read.
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from penstock_contract.request.operations import MESSAGES_MAX, ModelName

PARTS_MAX = 4096


class UIApproval(Struct, frozen=True, omit_defaults=True):
    """The user's answer to a tool that needs an approval."""

    approved: bool | None = None
    reason: str | None = None


class UIPart(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """A part of a message: `text`, `reasoning`, `file`, `tool-<name>`, `dynamic-tool`, `step-start`, `data-<name>`…

    `input` and `output` keep their bytes: they are JSON of any shape.
    """

    type: Annotated[str, Meta(min_length=1, max_length=512)]
    text: str | None = None
    media_type: str | None = None
    url: str | None = None
    filename: str | None = None
    tool_call_id: str | None = None
    tool_name: str | None = None
    state: str | None = None
    input: Raw | UnsetType = UNSET
    raw_input: Raw | UnsetType = UNSET
    output: Raw | UnsetType = UNSET
    error_text: str | None = None
    approval: UIApproval | None = None
    provider_metadata: dict[str, Any] | None = None


class UIMessage(Struct, frozen=True, omit_defaults=True):
    """A message of the page's conversation. `id` is the page's own."""

    role: Literal["system", "user", "assistant"]
    parts: Annotated[list[UIPart], Meta(max_length=PARTS_MAX)]
    id: str | None = None


class UIChatRequest(Struct, frozen=True, omit_defaults=True, rename={"message_id": "messageId"}):
    """`POST /api/chat` of `useChat`. `id` is the chat's id; further fields are those of a chat completion.

    `tools` are OpenAI's list, or an object of names with `description` and `parameters` (or `inputSchema`).
    """

    messages: Annotated[list[UIMessage], Meta(min_length=1, max_length=MESSAGES_MAX)]
    id: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    trigger: Literal["submit-message", "regenerate-message"] | None = None
    message_id: str | None = None
    model: ModelName | None = None
    system: str | None = None
    tools: list[dict[str, Any]] | dict[str, Any] | None = None
