"""The documents that the API's answers consist of, as types."""
