package logcapture

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strconv"
	"sync"
	"time"
)

// timeFormat has six digits always: Metaflow merges streams by comparing the
// text.
const timeFormat = "2006-01-02T15:04:05.000000Z"

// stamp gives each line of an attempt its time and its id. Times grow from
// line to line over both streams, whatever the clock does, so that a reader
// merges the lines in the order in which they were written.
type stamp struct {
	token string

	mu     sync.Mutex
	last   time.Time
	number uint64
}

func newStamp() (*stamp, error) {
	raw := make([]byte, 8)
	if _, err := rand.Read(raw); err != nil {
		return nil, fmt.Errorf("draw a token for log lines: %w", err)
	}
	return &stamp{token: hex.EncodeToString(raw)}, nil
}

// record appends the line to the records in Metaflow's format,
//
//	[MFLOG|0|<time>|task|<id>]<line>\n
//
// where the id is any text that no other line has.
func (s *stamp) record(records, line []byte) []byte {
	s.mu.Lock()
	now := time.Now().UTC().Truncate(time.Microsecond)
	if !now.After(s.last) {
		now = s.last.Add(time.Microsecond)
	}
	s.last = now
	s.number++
	number := s.number
	s.mu.Unlock()
	records = append(records, "[MFLOG|0|"...)
	records = now.AppendFormat(records, timeFormat)
	records = append(records, "|task|"...)
	records = append(records, s.token...)
	records = append(records, '-')
	records = strconv.AppendUint(records, number, 10)
	records = append(records, ']')
	records = append(records, line...)
	return append(records, '\n')
}
