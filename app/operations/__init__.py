"""What keeps a deployment running: free disk, the findings of `caretrail doctor`, the metrics."""
