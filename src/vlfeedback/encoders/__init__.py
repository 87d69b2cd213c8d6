"""Frozen networks and tables that turn pictures and words into vectors."""
