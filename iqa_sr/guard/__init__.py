"""The guard against reward hacking: options, measurements, decision, monitor."""
