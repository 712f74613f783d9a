"""Where it is: pixels to WGS 84, on arrays. The rules are told in ``docs/place.md``."""
