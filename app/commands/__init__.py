"""The command line: one module for each command, each importing its world only when it runs."""
