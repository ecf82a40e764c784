import base64
import json
import time


class Google:
    name = "gcp-emulated"

    @staticmethod
    def get_gs_storage_client(*args, **kwargs):
        from google.auth.credentials import AnonymousCredentials
        from google.cloud import storage

        return storage.Client(credentials=AnonymousCredentials(), project="emulated")

    @staticmethod
    def get_credentials(scopes, *args, **kwargs):
        from google.auth.credentials import AnonymousCredentials

        return AnonymousCredentials(), "emulated"


class Azure:
    name = "azure-emulated"

    @staticmethod
    def create_cacheable_azure_credential(*args, **kwargs):
        return Token()


class Token:
    """Claims that Azurite wants to see; it does not check who signed them."""

    def get_token(self, *scopes, **kwargs):
        from azure.core.credentials import AccessToken

        now = int(time.time())
        claims = {"aud": "https://storage.azure.com", "iss": "https://sts.windows.net/emulated/", "iat": now - 60, "nbf": now - 60, "exp": now + 3600}
        return AccessToken(".".join(_encoded(part) for part in ({"alg": "RS256", "typ": "JWT"}, claims, {})), now + 3600)

    def __hash__(self):
        return hash(Token)

    def __eq__(self, other):
        return isinstance(other, Token)


def _encoded(part):
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
