"""Put windows together into batches."""
