"""Takes in every media object that lands in S3: probes it, judges it, indexes it, explains it."""
