"""The database's shape, one step at a time, carried out by its owner before anything else starts."""
