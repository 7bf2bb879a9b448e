"""Networks trained: seeded, resumable, keeping the best epoch."""
