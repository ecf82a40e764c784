package tasksocket

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/objstore"
)

// isContent says whether a path is that of a content-addressed object,
// <Flow>/data/<first two digits>/<SHA-1>.
func isContent(path string) bool {
	parts := strings.Split(path, "/")
	if len(parts) != 4 || parts[0] == "" || parts[1] != "data" {
		return false
	}
	return isKey(parts[3]) && parts[2] == parts[3][:2]
}

// isKey says whether a text is a SHA-1 as keys are written.
func isKey(text string) bool {
	if len(text) != 40 || strings.ToLower(text) != text {
		return false
	}
	_, err := hex.DecodeString(text)
	return err == nil
}

// attemptOf returns the number a file's name begins with, as 3 in 3.data.json.
func attemptOf(name string) (int, bool) {
	digits, _, found := strings.Cut(name, ".")
	if !found || digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(digits)
	if err != nil {
		return -1, true // no attempt that anybody was given
	}
	return n, true
}

// own returns the rest of a path below the scope's task.
func (s Scope) own(path string) (string, bool) { return strings.CutPrefix(path, s.Path()+"/") }

// mayWrite refuses what belongs to other attempts of the same run. What lies
// outside the run's folder (cards, content, another run) is plain storage.
func (s Scope) mayWrite(path string) error {
	if err := objstore.CheckKey(path); err != nil {
		return err
	}
	if !strings.HasPrefix(path, s.Flow+"/"+s.Run+"/") {
		return nil
	}
	name, ok := s.own(path)
	if !ok {
		return foreignError{fmt.Errorf("%s belongs to another task; this one may write below %s only", path, s.Path())}
	}
	if n, ok := attemptOf(name); ok && n != s.Attempt {
		return foreignError{fmt.Errorf("%s belongs to another attempt; this is attempt %d", path, s.Attempt)}
	}
	return nil
}
