"""Training: step -> views (sampler, augment) -> batches -> weights (loop)."""
