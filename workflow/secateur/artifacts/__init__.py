"""Files that the workflow writes, complete or absent, with their provenance and the digest of their code."""
