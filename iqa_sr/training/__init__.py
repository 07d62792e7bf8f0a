"""A training run: its configuration and checks, its loop, log, state and folder."""
