"""From a bucket of overhead images to searchable labels."""
