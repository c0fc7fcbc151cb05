"""The continuity pack: what a home works from when nothing can be shown."""
