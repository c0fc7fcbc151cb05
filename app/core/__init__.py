"""Words, errors, identifiers, time, randomness and settings: what every layer may use."""
