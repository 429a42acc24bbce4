"""The Kubernetes API: transport, client, leader election, Events; `watch` has the watches and their cache."""
