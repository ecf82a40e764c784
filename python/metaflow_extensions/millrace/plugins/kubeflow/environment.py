"""The METAFLOW_* settings that every task's process gets.

They are those of whoever deploys, as with Metaflow's other deployers. No
secret is among them: the service's headers and key reach pods by Kubernetes
secrets, and only the launcher uses them.
"""

import json
import os
import sys

from metaflow import metaflow_config as config
from metaflow.metaflow_config_funcs import config_values
from metaflow.user_configs.config_options import ConfigInput
from metaflow.util import get_username

RUNTIME = "kubeflow-pipelines"

# Settings handed on under their own name where they are set.
HANDED_ON = (
    "DATASTORE_SYSROOT_S3",
    "DATASTORE_SYSROOT_GS",
    "DATASTORE_SYSROOT_AZURE",
    "DATATOOLS_S3ROOT",
    "DATATOOLS_GSROOT",
    "DATATOOLS_AZUREROOT",
    "CARD_S3ROOT",
    "CARD_GSROOT",
    "CARD_AZUREROOT",
    "S3_ENDPOINT_URL",
    "S3_SERVER_SIDE_ENCRYPTION",
    "AZURE_STORAGE_BLOB_SERVICE_ENDPOINT",
    "DEFAULT_SECRETS_BACKEND_TYPE",
    "AWS_SECRETS_MANAGER_DEFAULT_REGION",
    "GCP_SECRET_MANAGER_PREFIX",
    "AZURE_KEY_VAULT_PREFIX",
)


def of_flow(obj, install_sdks):
    env = {}
    for name in HANDED_ON:
        env["METAFLOW_" + name] = getattr(config, name, None)
    # Settings that are for all who run code: they change how Metaflow works.
    env.update((k, v) for k, v in config_values() if k.startswith(("METAFLOW_CONDA_", "METAFLOW_DEBUG_")))
    env.update(
        METAFLOW_SERVICE_URL=config.SERVICE_INTERNAL_URL,
        METAFLOW_DEFAULT_DATASTORE=obj.flow_datastore.TYPE,
        METAFLOW_DEFAULT_METADATA="service",
        METAFLOW_USER=RUNTIME,
        METAFLOW_OWNER=get_username(),
        METAFLOW_RUNTIME_ENVIRONMENT="kubernetes",
        METAFLOW_FLOW_FILENAME=os.path.basename(sys.argv[0]),
    )
    if install_sdks == "never":
        # Metaflow's own word for it, which an image can say as well.
        env["METAFLOW_SKIP_INSTALL_DEPENDENCIES"] = "1"
    if obj.flow_datastore.TYPE == "local":
        env["METAFLOW_DATASTORE_SYSROOT_LOCAL"] = os.path.dirname(os.path.abspath(obj.flow_datastore.datastore_root))
    configs = {p.name: ConfigInput.make_key_name(p.name) for _, p in obj.flow._get_parameters() if p.IS_CONFIG_PARAMETER}
    if configs:
        # The values are in the code package; tasks must look for them there.
        env["METAFLOW_FLOW_CONFIG_VALUE"] = json.dumps(configs)
    return {k: str(v) for k, v in sorted(env.items()) if v is not None and v != ""}
