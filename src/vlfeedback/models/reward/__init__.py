"""Reward models learnt from preferences."""
