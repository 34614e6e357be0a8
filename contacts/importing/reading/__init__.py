"""From the bytes of a file to cleaned candidates: no contact is looked up or written here."""
