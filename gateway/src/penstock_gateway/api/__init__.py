"""The HTTP handlers, one module per dialect: a handler translates, calls the dispatcher and returns; no logic."""
