"""Who may do what: the guard against other sites' pages, tokens, and browsers that sign in."""
