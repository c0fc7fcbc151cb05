"""The rules, a module for each family: pure functions from what is known and one entry to a finding."""
