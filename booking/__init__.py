"""The rules of booking spaces: pure decisions over folded facts, with no clock, no chance and no I/O."""
