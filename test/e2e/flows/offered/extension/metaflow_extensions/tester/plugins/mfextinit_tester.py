SECRETS_PROVIDERS_DESC = [("tester", ".secrets.TesterSecrets")]
ARTIFACT_SERIALIZERS_DESC = [("spelled", ".spelled.SpelledSerializer")]
