"""Constructs of the stack, one a module; each is told what it needs by name."""
