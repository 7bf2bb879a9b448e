"""What a running script needs: its log, progress, device, and prefetching."""
