package kfp

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// InClusterToken is where Kubeflow mounts a pod's token for the API.
const InClusterToken = "/var/run/secrets/kubeflow/pipelines/token"

// Config says where the server is and how to prove who is asking.
type Config struct {
	// URL is the server's, without /apis; behind Kubeflow's UI it ends in
	// /pipeline.
	URL string
	// TokenFile holds a bearer token, read anew for each request because
	// Kubernetes renews it. Empty: InClusterToken if there is one.
	TokenFile string
	// Cookie is sent as it is; the session cookie of Kubeflow's login.
	Cookie string
	// Namespace is the profile's, on a multi-user server.
	Namespace string
	// Program names this build to the server.
	Program string
	// Budget is how long a request is repeated before it fails.
	Budget time.Duration
	// HTTP is the client to use; nil makes one.
	HTTP *http.Client
}

// Client is safe for concurrent use.
type Client struct {
	cfg  Config
	base string
	http *http.Client
}

// New checks the configuration; it asks the server nothing.
func New(cfg Config) (*Client, error) {
	if cfg.URL == "" {
		return nil, errors.New("the URL of Kubeflow Pipelines is missing: set --kfp-url or METAFLOW_KUBEFLOW_PIPELINES_URL")
	}
	base := cfg.URL
	if !strings.Contains(base, "://") {
		base = "http://" + base
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("the URL of Kubeflow Pipelines, %q, is not http(s)://host", cfg.URL)
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("the URL of Kubeflow Pipelines, %q, has a query; give the address alone", cfg.URL)
	}
	c := &Client{cfg: cfg, base: strings.TrimRight(base, "/"), http: cfg.HTTP}
	if c.http == nil {
		c.http = &http.Client{
			Timeout: 2 * time.Minute,
			// A login page answers with a redirect; following it would end in
			// a puzzling HTML page.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	return c, nil
}

// token reads the bearer token, "" when there is none to send.
func (c *Client) token() (string, error) {
	path := c.cfg.TokenFile
	if path == "" {
		path = InClusterToken
	}
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && c.cfg.TokenFile == "" {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the token for Kubeflow Pipelines (KF_PIPELINES_SA_TOKEN_PATH): %w", err)
	}
	return strings.TrimSpace(string(raw)), nil
}
