"""Vector tiles of what is published."""
