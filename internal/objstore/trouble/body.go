package trouble

import (
	"errors"
	"fmt"
	"io"
)

// Body is an answer's content that reports a connection which breaks off as
// what it is, also when it ends as if it were whole.
type Body struct {
	R io.Reader
	// Left is what the server announced and has not sent.
	Left int64
	// Failed makes the error that the reader gets.
	Failed func(error) error
}

// Read implements io.Reader.
func (b *Body) Read(p []byte) (int, error) {
	n, err := b.R.Read(p)
	b.Left -= int64(n)
	if errors.Is(err, io.EOF) && b.Left > 0 {
		err = io.ErrUnexpectedEOF
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = b.Failed(fmt.Errorf("the body broke off: %w", err))
	}
	return n, err
}
