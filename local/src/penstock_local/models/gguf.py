"""The head of a GGUF file, the format llama.cpp loads, from plain values.

Why not the `gguf` package: its writer needs numpy, while our weights are copied byte for byte and
only this head is left to write. The layout is GGUF version 3, little-endian, as ggml's
gguf.md has it. Pure: independent of any model, and opens no file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from struct import pack
from typing import TypeAlias

Value: TypeAlias = str | bool | int | float | list[str] | list[int]

_VERSION = 3
_ALIGNMENT = 32
_TENSOR_F32 = 0
_UINT32, _INT32, _FLOAT32, _BOOL, _STRING, _ARRAY = 4, 5, 6, 7, 8, 9


@dataclass(frozen=True, slots=True)
class Tensor:
    """A float32 tensor; shape has the slowest dimension first, as PyTorch and safetensors do."""

    name: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Bytes of data, without padding."""
        return prod(self.shape) * 4


def head(metadata: Mapping[str, Value], tensors: Sequence[Tensor]) -> bytes:
    """All that stands before the data; then each tensor's data follows in order, padded."""
    parts = [b"GGUF", pack("<IQQ", _VERSION, len(tensors), len(metadata))]
    parts += [_string(key) + _value(value) for key, value in metadata.items()]
    offset = 0
    for tensor in tensors:
        # GGUF counts dimensions from the fastest.
        shape = pack(f"<I{len(tensor.shape)}Q", len(tensor.shape), *reversed(tensor.shape))
        parts += [_string(tensor.name), shape, pack("<IQ", _TENSOR_F32, offset)]
        offset += tensor.size + len(padding(tensor.size))
    written = b"".join(parts)
    return written + padding(len(written))


def padding(size: int) -> bytes:
    """The zeros after `size` bytes, up to where the next tensor may start."""
    return bytes(-size % _ALIGNMENT)


def _string(text: str) -> bytes:
    encoded = text.encode()
    return pack("<Q", len(encoded)) + encoded


def _value(value: Value) -> bytes:
    match value:
        case str():
            return pack("<I", _STRING) + _string(value)
        case bool():  # before int: a bool is one
            return pack("<I?", _BOOL, value)
        case int():
            return pack("<II", _UINT32, value)
        case float():
            return pack("<If", _FLOAT32, value)
        case _:
            element_type = _STRING if isinstance(value[0], str) else _INT32
            items = (_string(item) if isinstance(item, str) else pack("<i", item) for item in value)
            return pack("<IIQ", _ARRAY, element_type, len(value)) + b"".join(items)
