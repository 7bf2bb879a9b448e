"""What a pruned network gets back: BatchNorm statistics, retraining, fresh weights."""
