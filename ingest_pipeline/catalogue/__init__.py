"""What is asked and shown: pages, histories, links, posts and responses."""
