"""Recovery of pruned networks: new BatchNorm statistics, retraining, or training from fresh weights."""
