"""Tables of docs/reference/providers.md."""

from penstock_contract import provider_matrix

chat = provider_matrix.matrix
embeddings = provider_matrix.embeddings_matrix
steering = provider_matrix.steering
