"""Images of a study: sources, downloads, splits, and the HDF5 files that jobs read."""
