"""Embedding tables in low precision."""
