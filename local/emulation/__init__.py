"""What AWS does and ministack does not: Batch jobs and image Lambdas as local processes, inventory configurations."""
