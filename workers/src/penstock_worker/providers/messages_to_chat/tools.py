"""Tools, the choice of one, thinking and the output's format of Anthropic's Messages API in OpenAI's fields. Pure."""

from typing import Final

from penstock_worker.providers.messages_to_chat.blocks import Json, invalid, text_of, unsupported

CHOICES: Final = {"auto": "auto", "any": "required", "none": "none"}
BUDGETS: Final = ((16_384, "high"), (4_096, "medium"))
"""`budget_tokens` from which on an effort is requested; below the last it is `low`."""
EFFORTS: Final = {"low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}
"""`high` is the highest effort that all of OpenAI's reasoning models accept."""
CALLERS: Final[tuple[object, ...]] = (None, [], ["direct"])


def tools_of(tools: list[Json]) -> list[Json]:
    """Function tools. Raises for a tool that the provider itself would run."""
    return [_tool(tool, f"tools[{index}]") for index, tool in enumerate(tools)]


def _tool(tool: Json, path: str) -> Json:
    type_ = tool.get("type") or "custom"
    if type_ != "custom":
        raise unsupported(f"tools of type {str(type_)[:64]}", path)
    if tool.get("allowed_callers") not in CALLERS:
        raise unsupported("tools that code calls", f"{path}.allowed_callers")
    schema = tool.get("input_schema")
    if not isinstance(schema, dict):
        raise invalid("must be a JSON Schema", f"{path}.input_schema")
    function: Json = {"name": text_of(tool, "name", path), "parameters": schema}
    if isinstance(tool.get("description"), str):
        function["description"] = tool["description"]
    if tool.get("strict"):
        function["strict"] = True
    return {"type": "function", "function": function}


def choice_of(choice: Json) -> Json:
    """`tool_choice` and `parallel_tool_calls`."""
    fields: Json = {}
    match choice.get("type"):
        case "tool":
            name = text_of(choice, "name", "tool_choice")
            fields["tool_choice"] = {"type": "function", "function": {"name": name}}
        case str(type_) if type_ in CHOICES:
            fields["tool_choice"] = CHOICES[type_]
        case type_:
            raise unsupported(f"choice of type {str(type_)[:64]}", "tool_choice")
    if choice.get("disable_parallel_tool_use"):
        fields["parallel_tool_calls"] = False
    return fields


def effort_of(thinking: Json | None, output_config: Json | None) -> str | None:
    """`reasoning_effort`; None leaves the provider's default."""
    effort = (output_config or {}).get("effort")
    if effort is not None:
        if effort not in EFFORTS:
            raise unsupported(f"effort {str(effort)[:32]!r}", "output_config.effort")
        return EFFORTS[effort]
    budget = (thinking or {}).get("budget_tokens")
    if thinking is None or thinking.get("type") != "enabled" or not isinstance(budget, int | float):
        return None
    return next((name for least, name in BUDGETS if budget >= least), "low")


def format_of(output: Json, path: str) -> Json:
    """`response_format` of an output's JSON Schema."""
    if output.get("type") != "json_schema" or not isinstance(output.get("schema"), dict):
        raise unsupported(f"output format of type {str(output.get('type'))[:64]}", path)
    return {"type": "json_schema", "json_schema": {"name": "output", "schema": output["schema"], "strict": True}}
