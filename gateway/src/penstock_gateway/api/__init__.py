"""The doors: one module per wire. A handler translates, calls the dispatcher, and returns; no logic."""
