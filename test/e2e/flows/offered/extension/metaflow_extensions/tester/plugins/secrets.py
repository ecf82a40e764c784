from metaflow.plugins.secrets import SecretsProvider


class TesterSecrets(SecretsProvider):
    TYPE = "tester"

    def get_secret_as_dict(self, secret_id, options=None, role=None):
        return {"TESTER_SECRET": "told of " + secret_id}
