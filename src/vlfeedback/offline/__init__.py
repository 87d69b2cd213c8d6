"""Policies from fixed data, as d3rlpy algorithms, and how they are judged."""
