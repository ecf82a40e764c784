package driver

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
)

// launcherArchs are the architectures pods run on.
func launcherArchs() []string { return []string{"amd64", "arm64"} }

// launcherPins are the digests of the launchers in dir by architecture, of
// those that are there. `launcher` is this machine's own. When the driver is
// on this machine so are its pods, and it wins; else pods are Linux.
func launcherPins(dir, driverHTTP string) (map[string]string, error) {
	if dir == "" {
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("find the launchers: %w; set --launcher-dir", err)
		}
		dir = filepath.Dir(self)
	}
	here := onThisMachine(driverHTTP)
	pins := map[string]string{}
	for _, arch := range launcherArchs() {
		names := []string{"launcher-linux-" + arch}
		if arch == runtime.GOARCH && here {
			names = append([]string{"launcher"}, names...)
		} else if arch == runtime.GOARCH && runtime.GOOS == "linux" {
			names = append(names, "launcher")
		}
		for _, name := range names {
			sum, err := fileDigest(filepath.Join(dir, name))
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("digest of the launcher: %w", err)
			}
			pins[arch] = sum
			break
		}
	}
	if len(pins) == 0 {
		return nil, fmt.Errorf("no launcher in %s (launcher-linux-amd64, launcher-linux-arm64, or launcher for this machine): set --launcher-dir, or use --launcher baked", dir)
	}
	return pins, nil
}

func fileDigest(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func onThisMachine(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}
