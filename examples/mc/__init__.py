"""A Monte Carlo of the COMPASS experiment as real programs: generation, reconstruction, merging, plots."""
