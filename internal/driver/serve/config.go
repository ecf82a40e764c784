package serve

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// check names the first setting that cannot work, and reads the headers.
func (c Config) check() (http.Header, error) {
	if c.Token == "" {
		return nil, errors.New("the service token is missing: set MILLRACE_TOKEN, or MILLRACE_TOKEN_FILE to a file that holds it; nothing is served without")
	}
	if c.Store == "" {
		return nil, errors.New("the store is missing: set --store to the path of a file")
	}
	if c.Ended != nil && c.AskEvery <= 0 {
		return nil, fmt.Errorf("--kfp-every %s is not positive", c.AskEvery)
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return nil, errors.New("TLS takes both --tls-cert and --tls-key")
	}
	for _, port := range []struct{ flag, address string }{{"--listen", c.Listen}, {"--http-listen", c.HTTPListen}} {
		host, _, err := net.SplitHostPort(port.address)
		if err != nil {
			return nil, fmt.Errorf("%s %q is not host:port: %w", port.flag, port.address, err)
		}
		if c.TLSCert == "" && !loopback(host) {
			return nil, fmt.Errorf("%s %s is not loopback: set --tls-cert and --tls-key, since the token would travel in the open", port.flag, port.address)
		}
	}
	return serviceHeaders(c.ServiceHeaders)
}

// loopback: an empty host is every interface.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func serviceHeaders(text string) (http.Header, error) {
	out := http.Header{}
	if text == "" {
		return out, nil
	}
	var given map[string]string
	if json.Unmarshal([]byte(text), &given) != nil {
		// The cause is left out: it may quote the secret.
		return nil, errors.New("METAFLOW_SERVICE_HEADERS is not a JSON object of strings")
	}
	for name, value := range given {
		out.Set(name, value)
	}
	return out, nil
}

// serverTLS is nil when no certificate is given.
func serverTLS(c Config) (*tls.Config, error) {
	if c.TLSCert == "" {
		return nil, nil
	}
	pair := &keyPair{cert: c.TLSCert, key: c.TLSKey}
	if _, err := pair.get(nil); err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: pair.get}, nil
}

// keyPair is a certificate that is read again when its file has changed: it
// is renewed while the driver runs.
type keyPair struct {
	cert, key string

	mu      sync.Mutex
	loaded  *tls.Certificate
	changed time.Time
}

func (p *keyPair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	info, err := os.Stat(p.cert)
	if err == nil && p.loaded != nil && info.ModTime().Equal(p.changed) {
		return p.loaded, nil
	}
	pair, loadErr := tls.LoadX509KeyPair(p.cert, p.key)
	switch {
	case err == nil && loadErr == nil:
		p.loaded, p.changed = &pair, info.ModTime()
	case p.loaded == nil:
		return nil, fmt.Errorf("the certificate (--tls-cert %s, --tls-key %s): %w", p.cert, p.key, errors.Join(err, loadErr))
	}
	// Half of a renewal: the old one serves on.
	return p.loaded, nil
}
