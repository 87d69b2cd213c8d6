"""Is a reward worth a training run? Asked before any training."""
