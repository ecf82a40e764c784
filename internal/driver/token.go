package driver

import (
	"fmt"
	"os"
	"strings"
)

// readToken is the service token: the variable's, or the file's.
func readToken(token, file string) (string, error) {
	if token != "" || file == "" {
		return token, nil
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read the driver's token (MILLRACE_TOKEN_FILE): %w", err)
	}
	return strings.TrimSpace(string(raw)), nil
}
