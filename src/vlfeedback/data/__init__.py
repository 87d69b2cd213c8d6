"""Trajectories, pairs and videos: on disk and sampled. NumPy and storage alone."""
