"""The network side of providers: HTTP/1.1 connections, address policy, credentials. `providers` has their dialects."""
