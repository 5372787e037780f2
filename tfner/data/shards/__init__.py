"""Keep encoded windows on disk and read batches from them."""
