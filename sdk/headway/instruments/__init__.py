"""Client libraries of others, followed where the user's program has them."""
