"""Tests of residents and the bodies of their records."""
