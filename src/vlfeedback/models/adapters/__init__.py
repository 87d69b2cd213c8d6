"""Adapters on the features of a frozen vision-language encoder."""
