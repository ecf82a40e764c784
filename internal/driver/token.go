package driver

import (
	"fmt"
	"os"
	"strings"
)

// readToken is the service token: the variable's, or the file's. Space around
// it comes from an editor or a secret, and no header may hold it.
func readToken(token, file string) (string, error) {
	if token != "" || file == "" {
		return strings.TrimSpace(token), nil
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read the driver's token (MILLRACE_TOKEN_FILE): %w", err)
	}
	return strings.TrimSpace(string(raw)), nil
}
