"""The content of an item as the content of a chat message: texts, images, files, sound. Pure."""

import re
from typing import Any, Final

from penstock_contract.request.chat_body import PARTS_MAX
from penstock_contract.request.json_body import invalid

URL: Final = re.compile(r"https://|data:", re.IGNORECASE)
TEXTS: Final = ("input_text", "output_text", "text")


def chat_content(content: Any, path: str) -> str | list[dict[str, Any]]:
    """A message's or a tool result's content."""
    if isinstance(content, str):
        return content
    return [_part(part, f"{path}[{index}]") for index, part in enumerate(_parts(content, path))]


def assistant_content(content: Any, path: str) -> str | list[dict[str, Any]]:
    """An earlier answer: a text, which every provider takes, or parts where it has a refusal."""
    if isinstance(content, str):
        return content
    made: list[dict[str, Any]] = []
    for index, part in enumerate(_parts(content, path)):
        if part.get("type") == "refusal":
            made.append({"type": "refusal", "refusal": _text(part, "refusal", f"{path}[{index}]")})
        elif part.get("type") in TEXTS:
            made.append({"type": "text", "text": _text(part, "text", f"{path}[{index}]")})
        else:
            raise invalid("an assistant's content is output_text or refusal", f"{path}[{index}].type")
    if all(part["type"] == "text" for part in made):
        return "".join(part["text"] for part in made)
    return made


def _parts(content: Any, path: str) -> list[dict[str, Any]]:
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        raise invalid("must be a text or a list of objects", path)
    if len(content) > PARTS_MAX:
        raise invalid(f"more than {PARTS_MAX} parts", path)
    return content


def _part(part: dict[str, Any], path: str) -> dict[str, Any]:
    match part.get("type"):
        case "input_text" | "output_text" | "text":
            return {"type": "text", "text": _text(part, "text", path)}
        case "input_image":
            return _image(part, path)
        case "input_file":
            return _file(part, path)
        case "input_audio":
            if not isinstance(part.get("input_audio"), dict):
                raise invalid("this field is required", f"{path}.input_audio")
            return {"type": "input_audio", "input_audio": part["input_audio"]}
        case kind:
            shown = ascii(kind[:64]) if isinstance(kind, str) else "without a type"
            raise invalid(f"a part {shown} is not supported; use input_text, input_image or input_file", path)


def _image(part: dict[str, Any], path: str) -> dict[str, Any]:
    url = part.get("image_url")
    if url is None and part.get("file_id") is not None:
        raise invalid("files are not kept here; send the image in image_url, as https: or data:", f"{path}.file_id")
    if not isinstance(url, str):
        raise invalid("this field is required", f"{path}.image_url")
    if URL.match(url) is None:
        raise invalid("must be an https: or a data: URL", f"{path}.image_url")
    detail = {} if part.get("detail") is None else {"detail": part["detail"]}
    return {"type": "image_url", "image_url": {"url": url, **detail}}


def _file(part: dict[str, Any], path: str) -> dict[str, Any]:
    for name in ("file_id", "file_url"):
        if part.get(name) is not None:
            raise invalid("files are neither kept nor fetched here; send file_data", f"{path}.{name}")
    file = {"file_data": _text(part, "file_data", path)}
    if isinstance(part.get("filename"), str):
        file["filename"] = part["filename"]
    return {"type": "file", "file": file}


def _text(part: dict[str, Any], name: str, path: str) -> str:
    value = part.get(name)
    if not isinstance(value, str):
        raise invalid("this field is required", f"{path}.{name}")
    return value
