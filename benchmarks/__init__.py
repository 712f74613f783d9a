"""Ours beside named peers: same input, same run, ratios. How, and what came out, stands in docs/performance.md."""
