"""Which objects are worked on, and in what portions."""
