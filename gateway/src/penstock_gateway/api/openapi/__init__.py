"""The OpenAPI document: operations, examples, events of streams, headers of responses."""
