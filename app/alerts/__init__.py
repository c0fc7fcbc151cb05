"""Alerts: what detection found, who looks into it, and what came of that."""
