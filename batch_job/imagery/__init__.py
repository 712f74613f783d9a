"""Pixels: how an image is cut into chips, and how each becomes an 8-bit RGB picture that a detector takes."""
