package tasksocket

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// maxFrame bounds the body of a frame in either direction.
const maxFrame = 1 << 20

var errFrameTooLarge = errors.New("frame too large")

// readFrame returns the body of the next frame, io.EOF between two frames.
func readFrame(r io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > maxFrame {
		return nil, fmt.Errorf("a frame of %d bytes was announced, at most %d are read: %w", n, maxFrame, errFrameTooLarge)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		// The end inside a frame is never the end of the conversation.
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return body, nil
}

// writeFrame sends head and body by one write.
func writeFrame(w io.Writer, body []byte) error {
	if len(body) > maxFrame {
		return fmt.Errorf("a reply of %d bytes: %w", len(body), errFrameTooLarge)
	}
	frame := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(body)), uint32(len(body)))
	_, err := w.Write(append(frame, body...))
	return err
}
