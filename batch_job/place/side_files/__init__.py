"""What files beside an image say of its place: bytes in, values out. Which counts when stands in ``docs/place.md``."""
