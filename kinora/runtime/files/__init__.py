"""Files of the server's user: private ones, temporary ones, and paths as people write them."""
