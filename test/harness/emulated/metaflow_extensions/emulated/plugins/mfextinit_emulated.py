"""Credentials for emulators, by Metaflow's own plug-in points: its stores ask
the clouds' default chains for them otherwise, which find none here."""

GCP_CLIENT_PROVIDERS_DESC = [("gcp-emulated", ".credentials.Google")]
AZURE_CLIENT_PROVIDERS_DESC = [("azure-emulated", ".credentials.Azure")]
