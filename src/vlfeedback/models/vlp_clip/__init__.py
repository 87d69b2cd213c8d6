"""The VLP paper's own model on a frozen CLIP: its network and its training."""
