"""Examples shipped with seedgate, as package data; README.md says where they come from."""
