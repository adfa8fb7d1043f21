"""Bytes to values and back: the only room that knows file formats, folders and databases."""
