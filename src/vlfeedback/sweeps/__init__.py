"""Comparisons: tasks x sources x learners x seeds, run on all cores, resumed, and reported."""
