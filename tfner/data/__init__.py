"""From documents to batches: tokens, windows, labels. The same TensorFlow ops train and serve."""
