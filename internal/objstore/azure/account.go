package azure

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// Account is a storage account. Its zero value has no endpoint, which is an
// error at the first request.
type Account struct {
	// Endpoint is METAFLOW_AZURE_STORAGE_BLOB_SERVICE_ENDPOINT.
	Endpoint string
	// Connection is AZURE_STORAGE_CONNECTION_STRING. It fills what is not set.
	Connection string
	// Name, Key and SAS are AZURE_STORAGE_ACCOUNT, _KEY and _SAS_TOKEN. The
	// name can be taken from the endpoint.
	Name, Key, SAS string
}

// errSettings marks what only other settings help against.
var errSettings = errors.New("azure settings")

// AccountFromEnvironment reads Metaflow's variable and those of the az command.
func AccountFromEnvironment(getenv func(string) string) Account {
	return Account{
		Endpoint:   getenv("METAFLOW_AZURE_STORAGE_BLOB_SERVICE_ENDPOINT"),
		Connection: getenv("AZURE_STORAGE_CONNECTION_STRING"),
		Name:       getenv("AZURE_STORAGE_ACCOUNT"),
		Key:        getenv("AZURE_STORAGE_KEY"),
		SAS:        getenv("AZURE_STORAGE_SAS_TOKEN"),
	}
}

// resolve fills in what the connection string and the endpoint's host say.
func (a Account) resolve() (Account, error) {
	a.connect()
	a.SAS = strings.TrimPrefix(a.SAS, "?")
	a.Endpoint = strings.TrimRight(a.Endpoint, "/")
	u, err := url.Parse(a.Endpoint)
	if err != nil || u.Host == "" || u.RawQuery != "" || u.Scheme != "https" && u.Scheme != "http" {
		return a, fmt.Errorf("%w: METAFLOW_AZURE_STORAGE_BLOB_SERVICE_ENDPOINT is %q: want https://<account>.blob.core.windows.net", errSettings, u.Redacted())
	}
	if u.Scheme == "http" && !loopback(u.Hostname()) {
		return a, fmt.Errorf("%w: METAFLOW_AZURE_STORAGE_BLOB_SERVICE_ENDPOINT %q: a server elsewhere than on this machine needs https", errSettings, a.Endpoint)
	}
	if a.Name == "" {
		// Emulators have the account's name in the path.
		if a.Name = strings.Trim(u.Path, "/"); a.Name == "" {
			a.Name, _, _ = strings.Cut(u.Hostname(), ".")
		}
	}
	return a, nil
}

func (a *Account) connect() {
	said := map[string]string{}
	for part := range strings.SplitSeq(a.Connection, ";") {
		if name, value, ok := strings.Cut(part, "="); ok {
			said[strings.ToLower(strings.TrimSpace(name))] = strings.TrimSpace(value)
		}
	}
	fill := func(to *string, value string) {
		if *to == "" {
			*to = value
		}
	}
	fill(&a.Name, said["accountname"])
	if a.Key == "" && a.SAS == "" {
		a.Key, a.SAS = said["accountkey"], said["sharedaccesssignature"]
	}
	fill(&a.Endpoint, said["blobendpoint"])
	if a.Endpoint == "" && a.Name != "" {
		suffix := said["endpointsuffix"]
		fill(&suffix, "core.windows.net")
		a.Endpoint = "https://" + a.Name + ".blob." + suffix
	}
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
