"""What holds on Windows and macOS, tested on whatever system this is."""
