"""The embedded AWS and the sample drop."""
