"""Collects the vectors of an embeddings request."""

import base64
from array import array

from penstock_contract.endpoint_responses import EmbeddingObject, EmbeddingsResponse, EmbeddingUsage
from penstock_contract.errors import PenstockError
from penstock_contract.stream.events import Embedded, Event, Failed, UsageReported


class EmbeddingsCollector:
    def __init__(self, model: str) -> None:
        self._model = model
        self._vectors: dict[int, bytes] = {}
        self._input_tokens = 0
        self._error: PenstockError | None = None

    def around_text(self) -> None:
        return None

    def render(self, event: Event) -> bytes:
        if isinstance(event, Embedded):
            self._vectors[event.index] = event.vector
        elif isinstance(event, UsageReported):
            self._input_tokens = event.input_tokens
        elif isinstance(event, Failed):
            self._error = PenstockError.of(event.error)
        return b""

    def vectors(self) -> list[bytes]:
        """In the order of the input, each little-endian float32. Raises `PenstockError` if the call failed."""
        if self._error is not None:
            raise self._error
        return [vector for _, vector in sorted(self._vectors.items())]

    def response(self, encoding_format: str) -> EmbeddingsResponse:
        encode = base64_vector if encoding_format == "base64" else float_vector
        data = [EmbeddingObject(index, encode(vector)) for index, vector in enumerate(self.vectors())]
        return EmbeddingsResponse(data, self._model, EmbeddingUsage(self._input_tokens, self._input_tokens))


def float_vector(vector: bytes) -> list[float]:
    return array("f", vector).tolist()


def base64_vector(vector: bytes) -> str:
    return base64.b64encode(vector).decode()
