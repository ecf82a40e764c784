// Package azure is the adapter for Azure Blob Storage.
//
// It tries each request once: package retry alone decides what is tried again.
// Credentials are, in this order, a connection string, an account's key, a
// shared access signature, and else Azure's default chain (service principal,
// workload identity, managed identity, `az login`), looked for at the first
// request and refreshed as they expire.
package azure

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/millrace/millrace/internal/objstore"
	"github.com/millrace/millrace/internal/objstore/login"
)

// Config is what all stores of a process share.
type Config struct {
	// Account says where the blobs are and how to be let in.
	Account Account
	// WriteTimeout bounds each request that writes; 0 is no bound.
	WriteTimeout time.Duration
	// PartSize is that of the parts of an upload (default 16 MiB), unless the
	// object has too many of them.
	PartSize int64
	// Page is how many objects one answer to a listing holds (default: as many
	// as Azure gives, 5000).
	Page int32
}

func (c Config) pageSize() *int32 {
	if c.Page <= 0 {
		return nil
	}
	return &c.Page
}

// Clients makes stores that share one connection pool and credential chain.
type Clients struct {
	cfg Config

	logins login.Kept[*access]
}

// access is what the clients of one login have in common.
type access struct {
	options *container.ClientOptions
	// token is set where neither a key nor a signature lets this process in.
	token azcore.TokenCredential

	mu         sync.Mutex
	containers map[string]*container.Client
}

func (c *Clients) writes() objstore.WriteLimit { return objstore.WriteLimit(c.cfg.WriteTimeout) }

// NewClients prepares the set; nothing is read or contacted yet.
func NewClients(cfg Config) *Clients {
	if cfg.PartSize <= 0 {
		cfg.PartSize = 16 << 20
	}
	return &Clients{cfg: cfg}
}

// Store returns the store of a root such as container/prefix, which is how
// Metaflow writes it.
func (c *Clients) Store(root string) (*Store, error) {
	name, prefix, ok := objstore.SplitRoot(root, "")
	if !ok || strings.Contains(name, ":") {
		return nil, fmt.Errorf("datastore root %q: want container/prefix, without a scheme", root)
	}
	return &Store{clients: c, container: name, prefix: prefix}, nil
}

// get returns the client of a container, made at the first call and when its
// credentials have come to an end. A failure is not kept: the next call tries
// again.
func (c *Clients) get(name string) (*container.Client, error) {
	account, err := c.cfg.Account.resolve()
	if err != nil {
		return nil, err
	}
	a, err := c.logins.Client(func(l *login.Login) (*access, error) { return enter(account, l) })
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if client, ok := a.containers[name]; ok {
		return client, nil
	}
	client, err := a.open(account, name)
	if err == nil {
		a.containers[name] = client
	}
	return client, err
}

func enter(account Account, l *login.Login) (*access, error) {
	a := &access{containers: map[string]*container.Client{}, options: &container.ClientOptions{ClientOptions: policy.ClientOptions{
		Retry:     policy.RetryOptions{MaxRetries: -1},
		Transport: l.Through(&http.Client{Transport: transport()}),
	}}}
	if account.Key != "" || account.SAS != "" {
		return a, nil
	}
	if !strings.HasPrefix(account.Endpoint, "https://") {
		return nil, fmt.Errorf("%w: %s needs AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN, or https: tokens are not sent in the clear", errSettings, account.Endpoint)
	}
	var err error
	a.token, err = azidentity.NewDefaultAzureCredential(nil)
	return a, err
}

func (a *access) open(account Account, name string) (*container.Client, error) {
	address := account.Endpoint + "/" + name
	switch {
	case account.Key != "":
		key, err := container.NewSharedKeyCredential(account.Name, account.Key)
		if err != nil {
			return nil, fmt.Errorf("%w: the account's key is not in base64", errSettings)
		}
		return container.NewClientWithSharedKeyCredential(address, key, a.options)
	case account.SAS != "":
		return container.NewClientWithNoCredential(address+"?"+account.SAS, a.options)
	}
	return container.NewClient(address, a.token, a.options)
}

// transport bounds every phase in which no byte of a body moves; bodies are
// watched by package watchdog.
func transport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, 64
	t.ResponseHeaderTimeout = 60 * time.Second
	return t
}
