"""What providers send us. Verified first, small, answered at once."""
