"""What each page shows: one frozen dataclass a page, its fields the variables of the template, made from views."""
