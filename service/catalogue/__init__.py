"""What is published: the collections, their columns and how rows become features."""
