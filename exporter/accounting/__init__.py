"""What is added up: series that only grow, and what has been committed of them. It knows no metric by name."""
