"""How dates and numbers are written, where a language alone does not say it."""
