"""Layout propagation: what layouts operations accept, what they cost, and the search over them."""
