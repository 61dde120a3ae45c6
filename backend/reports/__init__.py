"""Reports and their rows: what was reported, what it cost, what rulings made of it."""
