"""Turns: a lease is taken, the model works on it, the daemon hears how that went."""
