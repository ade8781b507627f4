"""What ImageNet's 1,000 classes are and what they are kinds of; see the README beside."""
