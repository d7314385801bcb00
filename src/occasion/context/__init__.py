"""Context: raw signals to typed signals and one natural sentence."""
