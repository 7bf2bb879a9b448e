"""Files that the workflow writes: whole or absent, with their provenance and the digest of the code that made them."""
