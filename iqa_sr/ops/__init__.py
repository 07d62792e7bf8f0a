"""Image operations: tensor in, tensor out."""
