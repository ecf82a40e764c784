package driverclient

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// Config says where the driver is and how to prove who is asking.
type Config struct {
	// Address is host:port.
	Address string
	// Token is the service token. It opens runs; after that the session token
	// is used.
	Token string
	// CA is a path to a PEM file, or PEM text: the authority that signed the
	// driver's certificate. Empty means the system's.
	CA string
	// Program names this build in the hello.
	Program string
}

// Validate names the first field that cannot work.
func (c Config) Validate() error {
	switch {
	case c.Address == "":
		return errors.New("the driver's address is missing: set --driver or MILLRACE_DRIVER to host:port")
	case c.Token == "":
		return errors.New("the service token is missing: set MILLRACE_TOKEN, or MILLRACE_TOKEN_FILE to a file that holds it")
	}
	if _, _, err := net.SplitHostPort(c.Address); err != nil {
		return fmt.Errorf("the driver's address %q is not host:port: %w", c.Address, err)
	}
	return nil
}

// transport chooses TLS. Plaintext is for loopback only: elsewhere the token
// would travel in the open.
func (c Config) transport() (creds credentials.TransportCredentials, secure bool, err error) {
	if c.CA == "" && loopback(c.Address) {
		return insecure.NewCredentials(), false, nil
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CA != "" {
		pem := []byte(c.CA)
		if !strings.Contains(c.CA, "-----BEGIN") {
			if pem, err = os.ReadFile(c.CA); err != nil {
				return nil, false, fmt.Errorf("reading the driver's CA (MILLRACE_DRIVER_CA): %w", err)
			}
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, false, errors.New("the driver's CA (MILLRACE_DRIVER_CA) holds no PEM certificate")
		}
	}
	return credentials.NewTLS(conf), true, nil
}

func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
