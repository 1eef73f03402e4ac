"""Training: step -> views (sampler, augment), views -> batches (batches), batches -> weights (loop)."""
