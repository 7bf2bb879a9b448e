"""A pruned network as files that stand alone, with a card and its latency."""
