"""Content blocks of Anthropic's Messages API as parts of OpenAI's messages. Pure.

Every function raises `unsupported_by_provider` with the path of a block that has no translation.
"""

from typing import Any, Final

from penstock_contract.errors import PenstockError

Json = dict[str, Any]

ERROR_PREFIX: Final = "Error: "
"""OpenAI's tool results have no mark of an error: the text begins with it."""


def unsupported(what: str, param: str) -> PenstockError:
    return PenstockError("unsupported_by_provider", f"{param}: this provider has no {what}", param=param)


def invalid(what: str, param: str) -> PenstockError:
    return PenstockError("invalid_request", f"{param}: {what}", param=param)


def blocks_of(content: object, path: str) -> list[Json]:
    """The blocks of a content; a text is one block."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    if content is None:
        return []
    if isinstance(content, list) and all(isinstance(block, dict) for block in content):
        return content
    raise invalid("must be a text or a list of blocks", path)


def part(block: Json, path: str) -> list[Json]:
    """The parts of a block that a user may send."""
    match block.get("type"):
        case "text":
            return [{"type": "text", "text": text_of(block, "text", path)}]
        case "image":
            return [{"type": "image_url", "image_url": {"url": _image(block.get("source"), f"{path}.source")}}]
        case "document":
            return _document(block, path)
        case type_:
            raise unsupported(f"blocks of type {str(type_)[:64]}", path)


def texts_only(blocks: list[Json], path: str) -> str:
    """One text of blocks that may hold nothing else."""
    for index, block in enumerate(blocks):
        if block.get("type") != "text":
            raise unsupported(f"blocks of type {str(block.get('type'))[:64]} here", f"{path}[{index}]")
    return "\n\n".join(text_of(block, "text", f"{path}[{index}]") for index, block in enumerate(blocks))


def text_of(block: Json, name: str, path: str) -> str:
    value = block.get(name)
    if not isinstance(value, str):
        raise invalid("must be a text", f"{path}.{name}")
    return value


def joined(parts: list[Json]) -> str | list[Json]:
    """A text if there are texts only: many servers and chat templates accept no other content."""
    if all(one["type"] == "text" for one in parts):
        return "\n\n".join(one["text"] for one in parts)
    return parts


def _image(source: object, path: str) -> str:
    match source:
        case {"type": "base64", "media_type": str(media_type), "data": str(data)}:
            return f"data:{media_type};base64,{data}"
        case {"type": "url", "url": str(url)}:
            return url
        case {"type": type_}:
            raise unsupported(f"image sources of type {str(type_)[:64]}", path)
        case _:
            raise invalid("must be a source of type base64 or url", path)


def _document(block: Json, path: str) -> list[Json]:
    """Text becomes text, and a PDF OpenAI's file part. Citations and files by id or address have no translation."""
    citations = block.get("citations")
    if isinstance(citations, dict) and citations.get("enabled"):
        raise unsupported("citations of documents", f"{path}.citations")
    heading = [str(block[name]) for name in ("title", "context") if block.get(name)]
    match block.get("source"):
        case {"type": "text", "data": str(data)}:
            return [{"type": "text", "text": "\n\n".join([*heading, data])}]
        case {"type": "content", "content": content}:
            inner = f"{path}.source.content"
            titled = [{"type": "text", "text": "\n\n".join(heading)}] if heading else []
            blocks = blocks_of(content, inner)
            return titled + [one for index, block in enumerate(blocks) for one in part(block, f"{inner}[{index}]")]
        case {"type": "base64", "media_type": "application/pdf", "data": str(data)}:
            name = str(block.get("title") or "document.pdf")
            return [{"type": "file", "file": {"filename": name, "file_data": f"data:application/pdf;base64,{data}"}}]
        case {"type": type_}:
            raise unsupported(f"document sources of type {str(type_)[:64]}", f"{path}.source")
        case _:
            raise invalid("must be a source", f"{path}.source")
