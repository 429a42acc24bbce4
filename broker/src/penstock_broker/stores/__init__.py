"""Key-value and stream records in JetStream: keys, limits, catalogue, usage."""
