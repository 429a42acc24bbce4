"""Tools and the choice among them, as a chat completion has them. Pure; raises `invalid_request`."""

from typing import Any, Final

from penstock_contract.request.json_body import invalid
from penstock_contract.request.operations import TOOLS_MAX

MODES: Final = ("none", "auto", "required")
FUNCTION_FIELDS: Final = ("name", "description", "parameters", "strict")


def chat_tools(tools: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Function tools; a hosted one is refused by its name, because no provider here would run it."""
    if len(tools) > TOOLS_MAX:
        raise invalid(f"more than {TOOLS_MAX} tools", "tools")
    return [_function(tool, f"tools[{index}]") for index, tool in enumerate(tools)]


def _function(tool: dict[str, Any], path: str) -> dict[str, Any]:
    kind = tool.get("type")
    if kind != "function":
        raise invalid(f"the tool {_shown(kind)} is not available; use tools of type 'function'", path)
    if not isinstance(tool.get("name"), str):
        raise invalid("this field is required", f"{path}.name")
    extra = {name: value for name, value in tool.items() if name not in FUNCTION_FIELDS and name != "type"}
    function = {name: tool[name] for name in FUNCTION_FIELDS if tool.get(name) is not None}
    return {"type": "function", "function": function, **extra}


def chat_tool_choice(
    choice: str | dict[str, Any], tools: list[dict[str, Any]]
) -> tuple[str | dict[str, Any], list[dict[str, Any]]]:
    """The choice, and the tools of it: `allowed_tools` leaves out the others, which every provider can do."""
    if isinstance(choice, str):
        if choice not in MODES:
            raise invalid("must be none, auto, required or an object", "tool_choice")
        return choice, tools
    kind = choice.get("type")
    if kind == "function":
        name = _name(choice, "tool_choice.name")
        return {"type": "function", "function": {"name": name}}, tools
    if kind == "allowed_tools":
        mode = choice.get("mode")
        if mode not in {"auto", "required"}:
            raise invalid("must be auto or required", "tool_choice.mode")
        names = [_allowed(tool, f"tool_choice.tools[{index}]") for index, tool in enumerate(choice.get("tools") or ())]
        missing = set(names) - {tool["function"]["name"] for tool in tools}
        if missing:
            raise invalid(f"{_shown(min(missing))} is none of tools", "tool_choice.tools")
        return mode, [tool for tool in tools if tool["function"]["name"] in names]
    raise invalid(f"the tool {_shown(kind)} is not available; choose a function", "tool_choice")


def _allowed(tool: Any, path: str) -> str:
    if not isinstance(tool, dict) or tool.get("type") != "function":
        kind = tool.get("type") if isinstance(tool, dict) else None
        raise invalid(f"the tool {_shown(kind)} is not available; choose functions", path)
    return _name(tool, f"{path}.name")


def _name(tool: dict[str, Any], path: str) -> str:
    name = tool.get("name")
    if not isinstance(name, str) or not name:
        raise invalid("this field is required", path)
    return name


def _shown(kind: Any) -> str:
    return ascii(kind[:64]) if isinstance(kind, str) else "without a type"
