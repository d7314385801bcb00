"""Privacy: what people may ask for, and what is kept from ever being stored. One concern a file."""
