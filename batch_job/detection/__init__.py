"""What is in the pixels: a detector's answers, placed in their image and merged."""
