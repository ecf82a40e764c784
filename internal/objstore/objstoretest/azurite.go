package objstoretest

import (
	"crypto/tls"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
)

// Azure is a server that speaks Azure's protocol: Azurite.
type Azure struct {
	Endpoint, Account string
	// Container exists and is empty.
	Container string
}

// account and its key are those Azurite has from the start, and its
// documentation.
const (
	account    = "devstoreaccount1"
	accountKey = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)

// Azurite starts a server for the test and sets the variables of this process
// to its account.
func Azurite(t *testing.T) *Azure {
	t.Helper()
	s := azurite(t, "http")
	s.Login(t, accountKey)
	return s
}

// AzuriteOverTLS is a server that takes tokens, too, whoever signed them.
func AzuriteOverTLS(t *testing.T) *Azure {
	t.Helper()
	certificate, key := SelfSigned(t)
	return azurite(t, "https", "--oauth", "basic", "--cert", certificate, "--key", key)
}

func azurite(t *testing.T, scheme string, args ...string) *Azure {
	t.Helper()
	address := freePort(t)
	host, port, _ := strings.Cut(address, ":")
	s := &Azure{Endpoint: scheme + "://" + address + "/" + account, Account: account, Container: "flows"}
	serve(t, address, built(t, "azurite-blob"), append(args, "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent",
		"--blobHost", host, "--blobPort", port)...)
	s.MakeContainer(t, s.Container)
	return s
}

// Login sets what the adapter and the SDK's default chain find, and nothing
// else than that.
func (s *Azure) Login(t *testing.T, key string) {
	t.Helper()
	for name, value := range map[string]string{
		"METAFLOW_AZURE_STORAGE_BLOB_SERVICE_ENDPOINT": s.Endpoint, "AZURE_STORAGE_KEY": key, "AZURE_STORAGE_ACCOUNT": account,
		"AZURE_STORAGE_CONNECTION_STRING": "", "AZURE_STORAGE_SAS_TOKEN": "", "AZURE_CONFIG_DIR": os.DevNull,
	} {
		t.Setenv(name, value)
	}
}

// MakeContainer adds a container.
func (s *Azure) MakeContainer(t *testing.T, name string) string {
	t.Helper()
	key, err := container.NewSharedKeyCredential(account, accountKey)
	if err != nil {
		t.Fatal(err)
	}
	anybody := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	client, err := container.NewClientWithSharedKeyCredential(s.Endpoint+"/"+name, key, &container.ClientOptions{ClientOptions: policy.ClientOptions{Transport: anybody}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Create(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	return name
}
