"""Logging, progress, devices and prefetching of a running script."""
