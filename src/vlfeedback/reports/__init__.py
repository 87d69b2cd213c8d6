"""Pages and tables of results, and the figures that papers print."""
