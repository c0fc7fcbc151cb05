"""Does the trail stay as fast when it grows? `make growth`."""
