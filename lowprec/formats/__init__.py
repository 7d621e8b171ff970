"""Storage formats: what they are, and how numbers are rounded into their words and read back."""
