"""An agent as a server starts it, under a shorter lease: for tests that wait for its end."""

import sys

from kinora.agent import tenure
from kinora.cli.local_agent import local_agent
from kinora.cli.main import main

if __name__ == "__main__":
    setattr(tenure, "LEASE_S", float(sys.argv[1]))  # noqa: B010 - a constant elsewhere
    main([], local_agent)
