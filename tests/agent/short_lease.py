"""An agent as a server starts it, under a shorter lease that it renews more often: for tests that wait for its end."""

import sys

from kinora.agent import tenure, uplink
from kinora.cli.local_agent import local_agent
from kinora.cli.main import main

if __name__ == "__main__":
    setattr(tenure, "LEASE_S", float(sys.argv[1]))  # noqa: B010 - a constant elsewhere
    setattr(uplink, "RENEW_S", 0.2)  # noqa: B010 - likewise
    main([], local_agent)
