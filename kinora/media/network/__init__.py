"""What is read over the network: which URLs, with which password, and how."""
