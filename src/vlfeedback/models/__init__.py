"""Networks the library trains itself, and how each is fitted."""
