// Package login keeps a store's client with the credentials it was made with.
//
// SDKs renew credentials before their time is over. A server may take them no
// longer before that: a key was rotated, a token revoked. A client whose
// credentials have worked until then is made anew with what there is now, so
// that files are read again and what an SDK remembers is left behind:
//
//	request ──> taken: the credentials work
//	       └──> refused ──> they worked before: another try, with a new client
//	                   └──> they never did: what the answer says is the error
package login

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
)

// Login is one set of credentials, of which it is known whether it has worked.
type Login struct{ worked atomic.Bool }

// Kept is a client and its login. Its zero value has none yet.
type Kept[C any] struct {
	mu     sync.Mutex
	login  *Login
	client C
}

// Client returns the client, made when there is none. A failure is not kept:
// the next call tries again.
func (k *Kept[C]) Client(open func(*Login) (C, error)) (C, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.login != nil {
		return k.client, nil
	}
	login := new(Login)
	client, err := open(login)
	if err == nil {
		k.login, k.client = login, client
	}
	return client, err
}

// Refused drops the client that made the request of an answer, if it is still
// the one that is kept. It tells whether the request is worth another try.
func (k *Kept[C]) Refused(answer *http.Response) bool {
	if answer == nil || answer.Request == nil {
		return false
	}
	login, ok := answer.Request.Context().Value(ofRequest{}).(*Login)
	if !ok {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.login == login {
		var none C
		k.login, k.client = nil, none
	}
	return login.worked.Load()
}

// Doer is a client of HTTP as SDKs take one.
type Doer interface {
	Do(request *http.Request) (*http.Response, error)
}

// Through makes the requests that need this login by another client.
func (l *Login) Through(next Doer) Doer { return doer{l, next} }

type doer struct {
	login *Login
	next  Doer
}

// ofRequest is the key of a request's login in its context, where the answer
// has it too: several requests may be under way while a login takes another's
// place.
type ofRequest struct{}

func (d doer) Do(request *http.Request) (*http.Response, error) {
	answer, err := d.next.Do(request.WithContext(context.WithValue(request.Context(), ofRequest{}, d.login)))
	if err == nil && taken(answer.StatusCode) {
		d.login.worked.Store(true)
	}
	return answer, err
}

// taken tells whether an answer is one to somebody who was let in.
func taken(status int) bool {
	switch status {
	case http.StatusNotFound, http.StatusPreconditionFailed, http.StatusRequestedRangeNotSatisfiable:
		return true
	}
	return status < 400
}
