"""The output of a stream: rendered bytes, their bound, and the response that carries them."""
