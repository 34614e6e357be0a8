"""The product's speed beside that of a loop written by hand that does the same work."""
