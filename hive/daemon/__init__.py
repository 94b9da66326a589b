"""The daemon: its configuration and its lock, the parts of a hive, and the tree that runs them."""
