"""Handlers: read the event, call, translate the answer."""
