"""What it costs: paid answers are kept, and never bought twice."""
