"""Who may do what, and the one door through which it is done."""
