"""Figures of a study and the pages around them: tables in, pictures out."""
