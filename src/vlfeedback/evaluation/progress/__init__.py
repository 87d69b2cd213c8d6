"""Does a reward rise while the expert works? Figures along episodes."""
