"""Encoders: implementations of one Protocol of `occasion.protocols`, one a file, registered here by name."""
