package driver

import (
	"fmt"
	"net"
	"net/url"

	"github.com/spf13/pflag"

	"github.com/millrace/millrace/internal/driver/launchers"
	"github.com/millrace/millrace/internal/setting"
)

// keepLaunchers declares how many launchers the driver keeps.
func keepLaunchers(flags *pflag.FlagSet, n *int) {
	flags.IntVar(n, "keep-launchers", 20, "launchers that are served on when they are no longer in --launcher-dir: deployed flows pin them (0: none)")
	setting.Env(flags, "keep-launchers", "MILLRACE_KEEP_LAUNCHERS")
}

// launcherPins are the digests of the launchers in dir by architecture. When
// the driver is on this machine so are its pods.
func launcherPins(dir, driverHTTP string) (map[string]string, error) {
	if dir == "" {
		beside, err := launchers.Beside()
		if err != nil {
			return nil, err
		}
		dir = beside
	}
	pins, err := launchers.Pins(dir, onThisMachine(driverHTTP))
	if err != nil {
		return nil, fmt.Errorf("%w: set --launcher-dir, or use --launcher baked", err)
	}
	return pins, nil
}

func onThisMachine(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}
