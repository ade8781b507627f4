"""The HTML face: the catalogue, and a page for each object. Rendered here, no build step."""
