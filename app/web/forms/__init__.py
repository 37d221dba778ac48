"""What people type, kept as they typed it, and what it means: either a value or a list of mistakes beside their fields."""
