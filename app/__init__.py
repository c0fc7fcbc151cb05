"""Caretrail: a reference care-records backend for English adult social care."""
