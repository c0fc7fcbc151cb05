"""Unusual activity, judged from the lines of the trail. Pure: rules, habits, findings; no database."""
