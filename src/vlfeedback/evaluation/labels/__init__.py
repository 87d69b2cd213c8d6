"""How often labels are right, and how sure: pairs with a known order, and unseen words."""
