"""The webhooks in the settings: their secret files, and whether there are the jobs that they are for."""

from __future__ import annotations

from kinora.doctor.finding import Finding, ok, warning
from kinora.settings import Settings, secret_faults

CHECK = "webhooks"


def check_webhooks(settings: Settings) -> list[Finding]:
    """Check them as far as that posts nothing. Blocks, for as long as the disk of a secret file does not answer."""
    found = [ok(CHECK, f"in the settings: {', '.join(settings.webhooks) or 'none'}")]
    found += [warning(CHECK, fault, "see docs/webhooks.md") for fault in secret_faults(settings)]
    for name, webhook in settings.webhooks.items():
        if unknown := [job for job in webhook.jobs if job not in settings.jobs]:
            text = f"{name} is for {', '.join(unknown)}, which is not in the settings"
            found.append(warning(CHECK, text, f"mend jobs of [webhooks.{name}] in kinora.toml"))
    return found
