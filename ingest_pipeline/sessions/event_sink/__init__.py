"""Where session events go beside the database."""
