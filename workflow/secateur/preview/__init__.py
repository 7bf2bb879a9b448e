"""Preview of a study before any long job: the command `secateur check`."""
