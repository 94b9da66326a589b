"""The daemon: configuration, credentials, the root of the tree, the operator's socket."""
