"""Trajectories, pairs and labels: on disk and sampled. NumPy and storage; no torch, no gymnasium."""
