package home

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// Datastore is where a stack's artifacts are kept: below one of the roots, else
// in a folder of the home. Endpoints are those of other servers than the
// cloud's own.
type Datastore struct {
	S3Root        string `json:"s3_root,omitempty"`
	S3Endpoint    string `json:"s3_endpoint,omitempty"`
	GSRoot        string `json:"gs_root,omitempty"`
	GSEndpoint    string `json:"gs_endpoint,omitempty"`
	AzureRoot     string `json:"azure_root,omitempty"`
	AzureEndpoint string `json:"azure_endpoint,omitempty"`
}

// Check names the first setting that cannot work.
func (d Datastore) Check() error {
	roots := 0
	for _, root := range []string{d.S3Root, d.GSRoot, d.AzureRoot} {
		if root != "" {
			roots++
		}
	}
	switch {
	case roots > 1:
		return errors.New("--s3-root, --gs-root and --azure-root exclude each other: artifacts are kept in one place")
	case d.S3Root != "" && !strings.HasPrefix(d.S3Root, "s3://"):
		return fmt.Errorf("--s3-root %q does not begin with s3://", d.S3Root)
	case d.GSRoot != "" && !strings.HasPrefix(d.GSRoot, "gs://"):
		return fmt.Errorf("--gs-root %q does not begin with gs://", d.GSRoot)
	case strings.Contains(d.AzureRoot, ":") || strings.HasPrefix(d.AzureRoot, "/"):
		return fmt.Errorf("--azure-root %q is not container/prefix, without a scheme", d.AzureRoot)
	case d.AzureRoot != "" && d.AzureEndpoint == "":
		return errors.New("--azure-root needs --azure-endpoint: https://<account>.blob.core.windows.net")
	}
	return nil
}

// Variables are what Metaflow and our commands read, for a stack whose home is
// dir.
func (d Datastore) Variables(dir string) [][2]string {
	switch {
	case d.S3Root != "":
		return [][2]string{
			{"METAFLOW_DEFAULT_DATASTORE", "s3"}, {"METAFLOW_DATASTORE_SYSROOT_S3", d.S3Root}, {"METAFLOW_S3_ENDPOINT_URL", d.S3Endpoint},
		}
	case d.GSRoot != "":
		return [][2]string{
			{"METAFLOW_DEFAULT_DATASTORE", "gs"}, {"METAFLOW_DATASTORE_SYSROOT_GS", d.GSRoot}, {"STORAGE_EMULATOR_HOST", d.GSEndpoint},
		}
	case d.AzureRoot != "":
		return [][2]string{
			{"METAFLOW_DEFAULT_DATASTORE", "azure"},
			{"METAFLOW_DATASTORE_SYSROOT_AZURE", d.AzureRoot},
			{"METAFLOW_AZURE_STORAGE_BLOB_SERVICE_ENDPOINT", d.AzureEndpoint},
		}
	}
	return [][2]string{
		{"METAFLOW_DEFAULT_DATASTORE", "local"}, {"METAFLOW_DATASTORE_SYSROOT_LOCAL", filepath.Join(dir, "datastore")},
	}
}

// Credentials are what pods get of an environment: what the store's own chain
// of credentials reads.
func (d Datastore) Credentials(environ []string) []string {
	var prefixes []string
	switch {
	case d.S3Root != "":
		prefixes = []string{"AWS_"}
	case d.GSRoot != "":
		prefixes = []string{"GOOGLE_", "CLOUDSDK_"}
	case d.AzureRoot != "":
		prefixes = []string{"AZURE_", "SSL_CERT_FILE="}
	}
	var out []string
	for _, entry := range environ {
		for _, prefix := range prefixes {
			if strings.HasPrefix(entry, prefix) {
				out = append(out, entry)
			}
		}
	}
	if d.GSEndpoint != "" {
		// Metaflow has no setting of its own for it, which would come with the flow.
		out = append(out, "STORAGE_EMULATOR_HOST="+d.GSEndpoint)
	}
	return out
}
