"""Episodes of scripts and policies into a collection: seeds, worker processes, resuming."""
