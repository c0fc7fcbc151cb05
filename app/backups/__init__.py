"""Backups: made while the service runs, sealed for who keeps the identity, restored only whole."""
