"""The trail, to those who may read it: events, access logs, checkpoints, exports, housekeeping."""
