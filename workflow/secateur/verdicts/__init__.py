"""The thesis's claims and what the tables of a study say to them; finished studies side by side."""
