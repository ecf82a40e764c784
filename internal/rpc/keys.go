package rpc

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strings"
)

// sessionPrefix tells a session token, and its version, from a service token.
const sessionPrefix = "s1."

type identity int

const (
	nobody identity = iota
	service
	session
)

// keys know the service token and what follows from it.
type keys struct {
	service [sha256.Size]byte
	session []byte
}

func newKeys(token string) *keys {
	return &keys{
		service: sha256.Sum256([]byte(token)),
		session: mac([]byte(token), "millrace session key 1"),
	}
}

// sessionToken is good for one run: "s1.<run>.<mac>". It names the run, so
// that the token of another run can be told from a forged one.
func (k *keys) sessionToken(runID string) string {
	return sessionPrefix + base64.RawURLEncoding.EncodeToString([]byte(runID)) + "." +
		base64.RawURLEncoding.EncodeToString(mac(k.session, runID))
}

// identify says whose the token is, and of which run. Digests are compared,
// so that the time tells nothing of the token, nor of its length.
func (k *keys) identify(token string) (who identity, runID string) {
	sum := sha256.Sum256([]byte(token))
	if subtle.ConstantTimeCompare(sum[:], k.service[:]) == 1 {
		return service, ""
	}
	rest, ok := strings.CutPrefix(token, sessionPrefix)
	if !ok {
		return nobody, ""
	}
	name, _, _ := strings.Cut(rest, ".")
	run, err := base64.RawURLEncoding.DecodeString(name)
	if err != nil {
		return nobody, ""
	}
	if !hmac.Equal([]byte(token), []byte(k.sessionToken(string(run)))) {
		return nobody, ""
	}
	return session, string(run)
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
