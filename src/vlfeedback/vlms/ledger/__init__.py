"""Every answer kept, what it cost, what the next ones will cost, and when to stop."""
