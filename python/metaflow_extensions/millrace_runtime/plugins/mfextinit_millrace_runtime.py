"""Plug-in point of the run-time shim.

The launcher drops this extension into the code package of every task, last in
the order of extensions. Where its socket is set, the shim takes the place of
Metaflow's stores and of its metadata service under their own names, so that
records still say `s3` or `service`; anywhere else it changes nothing.

    user code -> Metaflow -> storage, provider, transition -> wire -> launcher
"""

import os

if os.environ.get("MILLRACE_SOCKET"):
    from . import lifeline, sdks

    lifeline.attach()
    sdks.attach()

    DATASTORES_DESC = [
        ("local", ".storage.LocalStorage"),
        ("s3", ".storage.S3Storage"),
        ("gs", ".storage.GSStorage"),
        ("azure", ".storage.AzureStorage"),
    ]
    DATACLIENTS_DESC = [("local", ".included.LocalClient"), ("s3", ".included.S3Client")]
    METADATA_PROVIDERS_DESC = [("service", ".provider.LauncherMetadataProvider")]
    SIDECARS_DESC = [(name, ".sidecars.NoSidecar") for name in ("save_logs_periodically", "spot_termination_monitor", "heartbeat")]
    STEP_DECORATORS_DESC = [("millrace_transition", ".transition.TransitionDecorator")]
