"""History read back, compared and proven. It changes nothing, and reads the journal alone."""
