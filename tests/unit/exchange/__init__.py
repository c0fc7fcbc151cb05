"""Tests of what becomes of a bundle from elsewhere."""
