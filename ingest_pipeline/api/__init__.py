"""The HTTP face: what clients ask and order over HTTP. Thin; the records are in DynamoDB."""
