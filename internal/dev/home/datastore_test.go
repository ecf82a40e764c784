package home

import (
	"strings"
	"testing"
)

// Pods get the store's credentials and nothing else of ours.
func TestCredentials(t *testing.T) {
	environ := []string{
		"AWS_REGION=here", "AWS_SECRET_ACCESS_KEY=s", "METAFLOW_USER=u", "PYTHONPATH=/x", "HOME=/h",
		"GOOGLE_APPLICATION_CREDENTIALS=/f", "AZURE_CLIENT_ID=c", "AZURE_STORAGE_KEY=k",
	}
	for want, d := range map[string]Datastore{
		"": {},
		"AWS_REGION=here AWS_SECRET_ACCESS_KEY=s":                                    {S3Root: "s3://b/r"},
		"GOOGLE_APPLICATION_CREDENTIALS=/f":                                          {GSRoot: "gs://b/r"},
		"GOOGLE_APPLICATION_CREDENTIALS=/f STORAGE_EMULATOR_HOST=http://127.0.0.1:1": {GSRoot: "gs://b/r", GSEndpoint: "http://127.0.0.1:1"},
		"AZURE_CLIENT_ID=c AZURE_STORAGE_KEY=k":                                      {AzureRoot: "c/r", AzureEndpoint: "https://a.blob.core.windows.net"},
	} {
		if got := strings.Join(d.Credentials(environ), " "); got != want {
			t.Errorf("on %+v: %q, want %q", d, got, want)
		}
	}
}
