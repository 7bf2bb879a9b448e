"""Images of a study: sources, downloads, stratified splits, and the HDF5 files that jobs read."""
