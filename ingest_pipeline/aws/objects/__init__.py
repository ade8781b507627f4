"""S3 objects: what stands there, read by ranges, listed, versioned, published."""
