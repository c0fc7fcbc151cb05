"""Work that comes round: what is due, who runs it, and what came of each run."""
