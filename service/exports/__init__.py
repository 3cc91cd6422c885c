"""Whole collections as files."""
