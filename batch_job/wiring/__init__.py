"""Adapters plugged into the pipeline, one module per door."""
