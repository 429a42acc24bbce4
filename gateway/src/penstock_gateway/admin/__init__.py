"""The admin API: a listener, a token and an application of its own; off unless its port is set."""
