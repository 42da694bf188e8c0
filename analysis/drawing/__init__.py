"""What figures and tables are, and how they look."""
