"""The write side: every command a slice with its boundary and its decision, and the one way to carry it out."""
