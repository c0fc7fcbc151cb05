"""Paper: what is printed by the service, apart from the plain HTML each package makes for itself."""
