"""Parts of the OpenAPI document that generators of types need: named events of streams, headers of responses. Pure."""
