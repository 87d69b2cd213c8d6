"""What of clips and pairs a model is shown, and what is read out of what it says."""
