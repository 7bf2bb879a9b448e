"""A study's settings: read, checked, completed, without torch."""
