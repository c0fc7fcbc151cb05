"""Accounts, passwords, second factors, sessions, shifts and the throttle of sign-ins."""
