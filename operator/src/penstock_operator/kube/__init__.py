"""The Kubernetes API: transport, client, watches, cache, leader election, Events."""
