"""From ground truths to low-quality images: bicubic and blind degradation pipelines."""
