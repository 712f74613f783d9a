"""What is written to the indices, and how it is found again."""
