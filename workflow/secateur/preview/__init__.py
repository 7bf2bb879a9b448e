"""`secateur check`: a study looked at before any long job."""
