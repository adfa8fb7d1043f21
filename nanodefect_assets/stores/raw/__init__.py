"""Files as microscopes and colleagues write them; `read` has what the rest of the package uses."""
