"""The training loop, its state, its log and its checks."""
