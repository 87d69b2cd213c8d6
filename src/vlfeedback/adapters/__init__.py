"""Other libraries' datasets to trajectories and back; conversions only."""
