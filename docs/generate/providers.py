"""Tables of docs/reference/providers.md."""

from penstock_contract.request import field_matrix

chat = field_matrix.matrix
embeddings = field_matrix.embeddings_matrix
steering = field_matrix.steering
