"""What runs beside `claude` in each container: see `harness.app`."""
