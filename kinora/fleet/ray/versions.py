"""Whether this machine's Ray and Python fit those of a cluster: all of it must have the same."""

from __future__ import annotations

import re

_PAIR = re.compile(r"Ray: (\S+)\s+Python: (\S+)")


def misfit(refusal: str) -> str | None:
    """Return, as a sentence, what to install here, if that is why Ray has refused to join the cluster.

    ``refusal`` is the text of Ray's error. It compares versions before it does anything else.
    """
    pairs = _PAIR.findall(refusal)
    if "ersion mismatch" not in refusal or len(pairs) != 2:  # noqa: PLR2004 - the cluster's and ours
        return None
    (cluster_ray, cluster_python), (ray, python) = pairs
    if cluster_ray != ray:
        return (
            f"The Ray cluster has Ray {cluster_ray} and this server Ray {ray}; they must be the same:"
            f" pip install 'ray=={cluster_ray}' here."
        )
    return (
        f"The Ray cluster has Python {cluster_python} and this server Python {python}; they must be the same:"
        f" run the server with Python {cluster_python}."
    )
