"""What the pages share: their colors and controls, the zoom, the boundary between two images."""
