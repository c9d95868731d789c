"""The calls of the API, a file for each part of its addresses."""
