"""The Kubernetes API: client, watches, cache, leader election, Events."""
